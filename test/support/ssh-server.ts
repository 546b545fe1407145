import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import ssh2, { type Connection, type ServerChannel, type Session } from 'ssh2';
import { fingerprint, generateKeyPair } from '../../lib/ssh/keys.ts';

/** A small SSH server on loopback that runs commands as this user, for tests without OpenSSH. */
export interface TestSshServer {
  readonly port: number;
  readonly hostKey: string;
  /** Fingerprint of its host key. */
  readonly fingerprint: string;
  /** Number of logins so far. */
  logins: number;
  /** Number of open connections. */
  readonly connections: Set<Connection>;
  /** The client's signature algorithm at each login. */
  readonly algorithms: (string | undefined)[];
  /** Limit of sessions per connection. */
  maxSessions: number;
  /** Number of commands to refuse from now on. */
  refusals: number;
  /** Destroys all connections. */
  cut(): void;
  close(): Promise<void>;
}

export interface TestSshOptions {
  /** Public-key lines that may log in. */
  authorized: string[];
  /** Private host key; a new one if missing. */
  hostKey?: string;
  port?: number;
  /** Sent before each login. */
  banner?: string;
  /** Whether to end a connection instead of accepting its login, as sshd does if PAM's account check fails. */
  admitsNobody?: boolean;
  /** Answers a command instead of this machine's shell; returns false if the shell is to run it. */
  answer?(command: string, channel: ServerChannel): boolean;
}

/** Returns a private key encrypted with this passphrase. */
export function lockedKey(passphrase: string): string {
  const options = { passphrase, cipher: 'aes256-ctr', rounds: 16 } as const;
  return ssh2.utils.generateKeyPairSync('ed25519', options as never).private;
}

export async function startSshServer(options: TestSshOptions): Promise<TestSshServer> {
  const hostKey = options.hostKey ?? generateKeyPair('host').privateKey;
  const parsed = ssh2.utils.parseKey(hostKey);
  if (parsed instanceof Error) throw parsed;
  const allowed = options.authorized.map((line) => {
    const key = ssh2.utils.parseKey(line);
    if (key instanceof Error) throw key;
    return key;
  });
  const sockets = new Set<Socket>();
  const server = new ssh2.Server(
    { hostKeys: [hostKey], ...(options.banner ? { banner: options.banner } : {}) },
    (client) => {
      const socket = (client as unknown as { _sock: Socket })._sock;
      socket.setNoDelay(true);
      sockets.add(socket);
      state.connections.add(client);
      client.on('error', () => {});
      client.on('close', () => {
        sockets.delete(socket);
        state.connections.delete(client);
      });
      client.on('authentication', (context) => {
        if (context.method !== 'publickey') return context.reject(['publickey']);
        const key = allowed.find((one) => one.getPublicSSH().equals(context.key.data));
        if (key === undefined) return context.reject();
        if (!context.signature || !context.blob) return context.accept();
        if (key.verify(context.blob, context.signature, context.hashAlgo) !== true) return context.reject();
        if (options.admitsNobody) return void socket.destroy();
        state.algorithms.push(context.hashAlgo);
        context.accept();
      });
      client.on('ready', () => {
        state.logins += 1;
        serve(client, state, options.answer);
      });
    },
  );
  const state: TestSshServer = {
    port: 0,
    hostKey,
    fingerprint: fingerprint(parsed.getPublicSSH()),
    logins: 0,
    connections: new Set(),
    algorithms: [],
    maxSessions: 100,
    refusals: 0,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      state.cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state, { port: (server.address() as AddressInfo).port });
}

function serve(client: Connection, state: TestSshServer, answer: TestSshOptions['answer']): void {
  let sessions = 0;
  client.on('session', (accept, reject) => {
    if (sessions >= state.maxSessions) return void reject();
    sessions += 1;
    const session: Session = accept();
    session.on('close', () => {
      sessions -= 1;
    });
    session.on('exec', (accepted, refuse, { command }) => {
      if (state.refusals > 0) {
        state.refusals -= 1;
        refuse();
        return;
      }
      const channel = accepted();
      if (!answer?.(command, channel)) exec(channel, command, client);
    });
  });
  client.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const socket = connect(destPort, destIP);
    socket.once('error', () => void reject());
    socket.once('connect', () => {
      const channel = accept();
      channel.pipe(socket).pipe(channel);
    });
  });
  const listeners = new Map<number, NetServer>();
  client.on('close', () => {
    for (const listener of listeners.values()) listener.close();
  });
  client.on('request', (accept, reject, name, info) => {
    if (name === 'cancel-tcpip-forward') {
      listeners.get(info.bindPort)?.close();
      return accept?.();
    }
    if (name !== 'tcpip-forward') return reject?.();
    const listener = createServer((socket) => {
      const port = (listener.address() as AddressInfo).port;
      client.forwardOut(info.bindAddr, port, socket.remoteAddress!, socket.remotePort!, (error, channel) => {
        if (error) return socket.destroy();
        channel.pipe(socket).pipe(channel);
      });
    });
    listener.once('error', () => reject?.());
    listener.listen(info.bindPort, info.bindAddr, () => {
      const { port } = listener.address() as AddressInfo;
      listeners.set(port, listener);
      accept?.(port);
    });
  });
}

function exec(channel: ServerChannel, command: string, client: Connection): void {
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: 'pipe' });
  // A process that a test leaves running must not keep the test's process alive.
  child.unref();
  channel.on('error', () => {});
  child.stdin.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  client.setMaxListeners(0).on('close', () => {
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  });
  child.once('exit', (code, signal) => {
    if (signal === null) channel.exit(code!);
    else channel.exit(signal.slice(3), false, '');
  });
  child.once('close', () => channel.end());
}
