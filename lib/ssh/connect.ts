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
import { hostKeyCheck } from './connection/host-key.ts';
import { SshConnection } from './connection/ssh-connection.ts';
import { SshHost } from './connection/ssh-host.ts';
import { publicKeyOf, readPrivateKey } from './keys.ts';
import type { KnownHosts } from './known-hosts.ts';
import type { Host, SshTarget } from './types.ts';

/** The authenticated ciphers first: they need one pass over the data, and most processors have instructions for them. */
const CIPHERS: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
];

/** Milliseconds that a login may take. */
const LOGIN_TIMEOUT_MS = 20_000;

/** Retries of a login that the server dropped before it began, and milliseconds before each, up to twice as many. */
const MAX_DROP_RETRY_COUNT = 2;
const DROP_RETRY_MS = 400;

/** Characters that are kept of the end of a server's banner (SSH_MSG_USERAUTH_BANNER, RFC 4252, 5.4). */
const MAX_BANNER_CHARS = 2_048;

/** Milliseconds between keep-alive messages, and how many may stay unanswered. */
const KEEP_ALIVE = { interval: 15_000, count: 3 };

/** How `connect` logs in and keeps the connection. */
export interface ConnectOptions {
  knownHosts: KnownHosts;
  signal?: AbortSignal;
  /** Milliseconds that the login may take; 20 s if missing. */
  timeout?: number;
  /** Milliseconds between keep-alive messages (15 s if missing); after three unanswered ones the connection is lost. */
  keepAlive?: number;
  /**
   * A socket to the server, such as a `forwardOut` of another host; it is closed with the host. A function opens one, and is
   * called again for each further connection to that server.
   */
  socket?: Duplex | ((signal: AbortSignal) => Promise<Duplex>);
}

/** What ssh2 adds to its errors: the phase of the connection. */
interface SshError extends NodeJS.ErrnoException {
  level?: string;
}

/**
 * Logs in to a machine: one try. If its server has no session free for a while, the host makes further connections.
 *
 * @throws CiError with a code for each cause: name not found, refused, unreachable, no answer, key refused, key unreadable or
 * its passphrase wrong, host key changed, login ended by the server with its words; what `socket` threw; the signal's reason
 */
export async function connectHost(target: SshTarget, options: ConnectOptions): Promise<Host> {
  const { signal = new AbortController().signal, timeout = LOGIN_TIMEOUT_MS, socket } = options;
  const connect = async (within: AbortSignal): Promise<SshConnection> => {
    const stream = typeof socket === 'function' ? await socket(within) : socket;
    return connectOnce(target, { ...options, timeout, signal: within }, stream);
  };
  const connectWithRetries = async (within: AbortSignal): Promise<SshConnection> => {
    for (let tries = 0; ; tries++) {
      try {
        return await connect(within);
      } catch (error) {
        // A caller that provides a socket has its own retries.
        if (socket !== undefined || tries >= MAX_DROP_RETRY_COUNT || !factsOf(error).isDroppedEarly) throw error;
        await sleep(DROP_RETRY_MS * (1 + Math.random()), undefined, { signal: within }).catch(() => {});
        within.throwIfAborted();
      }
    }
  };
  const first = await connectWithRetries(signal);
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
  // A channel whose far end is gone stays open for writing, and ssh2 would wait on it forever, without keep-alive.
  socket?.once('end', () => socket.destroy());
  let refused: unknown;
  let banners = '';
  client.on('banner', (text) => {
    // One line each: some servers do not end it.
    banners = `${banners}\n${text}`.slice(-MAX_BANNER_CHARS);
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

/** Prepares what can fail before anything is sent; a given socket is not left open then. */
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
    // Each step of the handshake is a small packet that the other side waits for.
    client.once('connect', () => client.setNoDelay(true));
    // Created at once: what follows the login may be in the same packet, and its events need their listeners.
    client.once('ready', () => {
      settle();
      resolve(new SshConnection(client, target));
    });
    client.once('error', fail);
    client.once('close', () => fail(new Error('the other side closed it')));
    client.connect(config);
  });
}

/** @param said the server's banner, as part of a sentence */
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
