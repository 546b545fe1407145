import { setMaxListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { AuthContext, Connection, ParsedKey, Session } from 'ssh2';
import ssh2 from 'ssh2';
import { runCommand } from './command.ts';
import { SHELL } from './environment.ts';
import { serveSftp } from './sftp.ts';

/** Milliseconds for a client to log in. */
const LOGIN_TIMEOUT_MS = 30_000;

/** Ciphers with hardware support in OpenSSL; ssh2's client would choose ChaCha20, which is several times slower. */
const CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr'] as const;

/** Settings of a guest's SSH server. */
export interface GuestSshOptions {
  address: string;
  /** Private host key. */
  hostKey: string;
  /** Public-key lines; their keys are accepted for any user name. */
  authorizedKeys: readonly string[];
  home: string;
  env: Record<string, string>;
  log: (text: string) => void;
}

/** Parses the key of an authorized_keys line, with or without options before it; undefined if it cannot be parsed. */
export function parseAuthorizedKey(line: string): ParsedKey | undefined {
  const key = /(?:^|\s)((?:ssh-|ecdsa-sha2-)\S+\s+\S+)/.exec(line)?.[1];
  const parsed = key === undefined ? undefined : ssh2.utils.parseKey(key);
  return parsed === undefined || parsed instanceof Error ? undefined : parsed;
}

/**
 * Starts the guest's SSH server on a free port of its address: login by public key only; exec, shell (without a
 * terminal) and sftp in its home.
 *
 * @returns the port
 */
export async function openSsh(options: GuestSshOptions): Promise<number> {
  const keys: ParsedKey[] = [];
  for (const line of options.authorizedKeys) {
    const key = parseAuthorizedKey(line);
    if (key) keys.push(key);
    else options.log(`ssh: skipping a public key that cannot be read: ${line.slice(0, 60)}`);
  }
  const server = new ssh2.Server(
    { hostKeys: [options.hostKey], ident: 'Recheck-guest', algorithms: { cipher: [...CIPHERS] } },
    (client) => serveClient(client, keys, options),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, options.address, resolve);
  });
  server.on('error', (error: Error) => options.log(`ssh: ${error.message}`));
  return (server.address() as AddressInfo).port;
}

function serveClient(client: Connection, keys: readonly ParsedKey[], options: GuestSshOptions): void {
  const connection = new AbortController();
  setMaxListeners(0, connection.signal);
  const late = setTimeout(() => client.end(), LOGIN_TIMEOUT_MS);
  // @types/ssh2 declares it only for clients.
  (client as Connection & { setNoDelay(on: boolean): void }).setNoDelay(true);
  client.on('authentication', (context) => {
    if (mayEnter(context, keys)) context.accept();
    else context.reject(['publickey']);
  });
  client.on('ready', () => clearTimeout(late));
  client.on('session', (accept) => serveSession(accept(), connection.signal, options));
  client.on('error', () => {}); // 'close' follows
  client.on('close', () => {
    clearTimeout(late);
    connection.abort();
  });
}

/** Without a signature the client only asks whether the key is acceptable (RFC 4252, 7). */
function mayEnter(context: AuthContext, keys: readonly ParsedKey[]): boolean {
  if (context.method !== 'publickey') return false;
  const key = keys.find((one) => one.getPublicSSH().equals(context.key.data));
  if (!key) return false;
  if (!context.signature || !context.blob) return true;
  return key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

function serveSession(session: Session, connection: AbortSignal, options: GuestSshOptions): void {
  // ssh2 closes a session's channel only if the client closes it, not if the connection is lost.
  const closed = new AbortController();
  const gone = AbortSignal.any([closed.signal, connection]);
  session.on('close', () => closed.abort());
  const { home: cwd, env } = options;
  let kill: ((signal: string) => void) | undefined;
  session.on('exec', (accept, _reject, { command }) => {
    kill = runCommand(accept(), [SHELL, '-c', command], { cwd, env, gone });
  });
  session.on('shell', (accept) => {
    kill = runCommand(accept(), [SHELL], { cwd, env, gone });
  });
  session.on('signal', (accept, _reject, { name }) => {
    kill?.(name);
    accept?.();
  });
  session.on('sftp', (accept) => serveSftp(accept(), cwd, gone));
}
