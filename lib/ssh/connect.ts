import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2, { type CipherAlgorithm, type Client, type ConnectConfig, type PublicKeyAuthMethod } from 'ssh2';
import { factsOf } from '../errors/ci-error.ts';
import {
  connectionRefused,
  handshakeFailed,
  keyRefused,
  loginEnded,
  nameNotFound,
  noAnswer,
  unreachable,
} from '../errors/ssh.ts';
import { quoted } from '../util/plain-text.ts';
import { hostKeyCheck } from './host-key.ts';
import { publicKeyOf, readPrivateKey } from './keys.ts';
import type { KnownHosts } from './known-hosts.ts';
import { SshConnection } from './ssh-connection.ts';
import { SshHost } from './ssh-host.ts';
import type { Host, SshTarget } from './types.ts';

/** The authenticated ciphers first: one pass over the data, and done by the processor itself. */
const CIPHERS: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
];

/** Milliseconds that a login may take. */
const LOGIN_MS = 20_000;

/** How often a login is tried again that was dropped before it began, and milliseconds before that: up to twice as many. */
const MAX_DROP_RETRY_COUNT = 2;
const DROP_RETRY_MS = 400;

/** Characters kept of the end of what a server sends before a login (SSH_MSG_USERAUTH_BANNER, RFC 4252, 5.4). */
const MAX_BANNER_LENGTH = 2_048;

const KEEP_ALIVE = { interval: 15_000, count: 3 };

export interface ConnectOptions {
  knownHosts: KnownHosts;
  signal?: AbortSignal;
  /** Milliseconds until the login must be done; 20 s where missing. */
  timeout?: number;
  /** Milliseconds between two signs of life (15 s where missing); the connection is lost after three without answer. */
  keepAlive?: number;
  /**
   * A way to the server, such as a `forwardOut` of another host; it is closed with the host. A function opens one, and
   * is called again for each further connection to that server.
   */
  socket?: Duplex | ((signal: AbortSignal) => Promise<Duplex>);
}

/** What ssh2 adds to its errors: where in the connection it happened. */
interface SshError extends NodeJS.ErrnoException {
  level?: string;
}

/**
 * Logs in to a machine: one try. If its server has no session free for a while, the host makes further connections.
 *
 * Rejects with a CiError that tells apart: name not found, refused, unreachable, no answer, key refused, key unreadable
 * or its passphrase wrong, host key changed, too many logins at once, login ended by the server with its words; with what
 * `socket` threw; and with the signal's reason if it aborts.
 */
export async function connectHost(target: SshTarget, options: ConnectOptions): Promise<Host> {
  const { signal = new AbortController().signal, timeout = LOGIN_MS, socket } = options;
  const connect = async (within: AbortSignal): Promise<SshConnection> => {
    const way = typeof socket === 'function' ? await socket(within) : socket;
    return connectOnce(target, { ...options, timeout, signal: within }, way);
  };
  const patiently = async (within: AbortSignal): Promise<SshConnection> => {
    for (let tries = 0; ; tries++) {
      try {
        return await connect(within);
      } catch (error) {
        // Who brings a socket has a loop of his own.
        if (socket !== undefined || tries >= MAX_DROP_RETRY_COUNT || !factsOf(error).isDroppedEarly) throw error;
        await sleep(DROP_RETRY_MS * (1 + Math.random()), undefined, { signal: within }).catch(() => {});
        within.throwIfAborted();
      }
    }
  };
  const first = await patiently(signal);
  const isRepeatable = socket === undefined || typeof socket === 'function';
  return new SshHost(
    target,
    first,
    isRepeatable ? () => connect(AbortSignal.any([first.gone, AbortSignal.timeout(timeout)])) : undefined,
  );
}

async function connectOnce(
  target: SshTarget,
  options: ConnectOptions & { signal: AbortSignal; timeout: number },
  socket: Duplex | undefined,
): Promise<SshConnection> {
  const { signal, timeout } = options;
  const { key, check } = prepared(target, options, socket);
  const auth: PublicKeyAuthMethod = { type: 'publickey', username: target.user, key };
  const client = new ssh2.Client();
  // A channel whose far end is gone stays open to be written to, and ssh2 then waits on it for ever, without keep-alive.
  socket?.once('end', () => socket.destroy());
  let refused: unknown;
  let banners = '';
  client.on('banner', (text) => {
    // A separate line each: servers differ in whether they end one.
    banners = `${banners}\n${text}`.slice(-MAX_BANNER_LENGTH);
  });
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.user,
    sock: socket,
    readyTimeout: timeout,
    keepaliveInterval: options.keepAlive ?? KEEP_ALIVE.interval,
    keepaliveCountMax: KEEP_ALIVE.count,
    algorithms: { cipher: CIPHERS, serverHostKey: check.algorithms },
    authHandler: [auth],
    hostVerifier: (shown: Buffer): boolean => {
      try {
        check.verify(shown);
        return true;
      } catch (error) {
        refused = error;
        return false;
      }
    },
  };
  try {
    return await ready(client, config, target, signal);
  } catch (error) {
    client.destroy();
    socket?.destroy();
    signal.throwIfAborted();
    throw refused ?? connectError(target, timeout, quoted(banners), error as SshError);
  }
}

/** What can fail before anything is sent; the socket that was given is not left open then. */
function prepared(
  target: SshTarget,
  { signal, knownHosts }: ConnectOptions & { signal: AbortSignal },
  socket: Duplex | undefined,
) {
  try {
    signal.throwIfAborted();
    return {
      key: readPrivateKey(target.privateKey, target.passphrase),
      check: hostKeyCheck(target, knownHosts),
    };
  } catch (error) {
    socket?.destroy();
    throw error;
  }
}

function ready(client: Client, config: ConnectConfig, target: SshTarget, signal: AbortSignal): Promise<SshConnection> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      client.removeAllListeners();
      // A late error without a listener would end the process.
      client.on('error', () => {});
    };
    const fail = (error: unknown): void => {
      settle();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    // Each step of the handshake is one small packet that the other side waits for.
    client.once('connect', () => client.setNoDelay(true));
    // Made at once: what comes behind the login may be in the same packet, and its events need their listeners.
    client.once('ready', () => {
      settle();
      resolve(new SshConnection(client, target));
    });
    client.once('error', fail);
    client.once('close', () => fail(new Error('the other side closed it')));
    client.connect(config);
  });
}

/** @param said what the server said before the login, as part of a sentence */
function connectError(target: SshTarget, timeout: number, said: string, error: SshError): Error {
  if (error.level === 'client-authentication') {
    return keyRefused(target, publicKeyOf(target.privateKey, target.passphrase), target.keysPlace, said);
  }
  if (error.level === 'client-timeout') return noAnswer(target, timeout);
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return nameNotFound(target, error);
    case 'ECONNREFUSED':
      return connectionRefused(target, error);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'ETIMEDOUT':
    case 'EACCES':
    case 'EPERM':
      return unreachable(target, error);
    default:
      return said === '' ? handshakeFailed(target, error) : loginEnded(target, said, error);
  }
}
