import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, SFTPWrapper, TcpConnectionDetails } from 'ssh2';
import {
  channelRefused,
  connectFromThere,
  connectionLost,
  hostClosed,
  listenFailed,
  requestRefused,
} from '../../errors/ssh.ts';
import { commandClosed, commandNotBegun, noExitStatus } from '../../errors/ssh-command.ts';
import { quote } from '../quote.ts';
import { type MarkedCommand, markedCommand } from '../session/command-line.ts';
import type { OpenSession } from '../session/sessions.ts';
import { ShellNoise } from '../session/shell-noise.ts';
import { stdinOf } from '../session/stdin.ts';
import type { Exit, Running, SshTarget } from '../types.ts';

/** Milliseconds that a clean disconnect may take before the socket is destroyed. */
const DISCONNECT_TIMEOUT_MS = 2_000;

/** Called with each connection to a forwarded port, and the address of its client. */
export type OnConnection = (socket: Duplex, source: { address: string; port: number }) => void;
type Done<T> = (error: Error | undefined, value?: T) => void;

/** The server of a connection, and whether a login shell runs its commands. */
export type ConnectionTarget = Pick<SshTarget, 'label' | 'user' | 'host' | 'port' | 'shell'>;

/** One ssh2 connection that is logged in. */
export class SshConnection {
  /** Aborts when the connection is lost or closed. */
  readonly gone: AbortSignal;
  readonly #client: Client;
  readonly #target: ConnectionTarget;
  readonly #ended = new AbortController();
  /** Called when the connection ends: what waits for an answer fails. */
  readonly #waiting = new Set<(error: Error) => void>();
  /** Open channels. */
  #channels = 0;
  /** By `address:port`, as the server names it. */
  readonly #listeners = new Map<string, OnConnection>();
  #noise = '';

  /** Must be called within ssh2's `ready` event. */
  constructor(client: Client, target: ConnectionTarget) {
    this.#client = client;
    this.#target = target;
    this.gone = this.#ended.signal;
    let fault: Error | undefined;
    client.on('error', (error) => {
      fault ??= error;
    });
    client.on('close', () => this.#end(connectionLost(target, fault)));
    client.on('tcp connection', (details, accept, reject) => this.#onConnection(details, accept, reject));
  }

  get label(): string {
    return this.#target.label;
  }

  /** Whether it is in use. */
  get busy(): boolean {
    return this.#channels > 0 || this.#waiting.size > 0 || this.#listeners.size > 0;
  }

  /** What the login shell last printed before a command; '' if it never did. */
  get noise(): string {
    return this.#noise;
  }

  /**
   * Starts a command. What the login shell prints before the program runs is not part of its output.
   *
   * @param isOurs whether it needs a working PATH, whatever the login's is
   */
  exec(argv: readonly string[], isOurs = false): Promise<OpenSession<Running>> {
    const command = this.#target.shell === 'none' ? undefined : markedCommand(argv, isOurs);
    const line = command?.line ?? quote(argv);
    return this.#ask((done: Done<ClientChannel>) => this.#client.exec(line, done), {
      take: (channel) => {
        const running = this.#running(this.#counted(channel), argv, command);
        return this.#session(channel, running, running.close);
      },
      refused: (error) => this.#channelError(`"${argv[0]}"`, error),
    });
  }

  /** Opens a file transfer. */
  sftp(): Promise<OpenSession<SFTPWrapper>> {
    return this.#ask((done: Done<SFTPWrapper>) => this.#client.sftp(done), {
      take: (sftp) => {
        // A protocol error without a listener would end the process; it is followed by `close`.
        sftp.on('error', () => {});
        return this.#session(this.#counted(sftp), sftp, () => sftp.end());
      },
      refused: (error) => this.#channelError('file transfer (SFTP)', error),
    });
  }

  /** Opens a connection from the server to (host, port). OpenSSH does not count it as a session. */
  forwardOut(host: string, port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#ask((done: Done<ClientChannel>) => this.#client.forwardOut('127.0.0.1', 0, host, port, done), {
      signal,
      take: (channel) => this.#counted(channel),
      refused: (error) => connectFromThere(this.label, host, port, error),
      late: (channel) => channel.destroy(),
    });
  }

  /** Listens on the server. */
  async forwardIn(
    address: string,
    port: number,
    onConnection: OnConnection,
  ): Promise<{ port: number; close(): Promise<void> }> {
    const bound = await this.#ask((done: Done<number>) => this.#client.forwardIn(address, port, done), {
      take: (taken) => {
        this.#listeners.set(`${address}:${taken}`, onConnection);
        return taken;
      },
      refused: (error) => listenFailed(this.label, address, port, error),
    });
    return {
      port: bound,
      close: async () => {
        if (!this.#listeners.delete(`${address}:${bound}`) || this.gone.aborted) return;
        // If this fails, the connection is going away, and its listeners with it.
        await this.#ask((done: Done<void>) => this.#client.unforwardIn(address, bound, () => done(undefined)), {
          take: () => {},
          refused: (error) => error,
        }).catch(() => {});
      },
    };
  }

  close(): void {
    if (this.gone.aborted) return;
    this.#end(hostClosed(this.label));
    this.#client.end();
    const timer = setTimeout(() => this.#client.destroy(), DISCONNECT_TIMEOUT_MS).unref();
    this.#client.once('close', () => clearTimeout(timer));
  }

  #end(why: Error): void {
    if (this.gone.aborted) return;
    this.#ended.abort(why);
    for (const fail of [...this.#waiting]) fail(why);
    this.#listeners.clear();
  }

  #session<T>(channel: SFTPWrapper | ClientChannel, session: T, discard: () => void): OpenSession<T> {
    // Listen at once: a short command may have ended before the caller gets the session.
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    (channel as NodeJS.EventEmitter).once('close', resolve);
    return { session, onClose: (callback) => void closed.then(callback), discard };
  }

  #counted<T extends SFTPWrapper | ClientChannel>(channel: T): T {
    this.#channels += 1;
    (channel as NodeJS.EventEmitter).once('close', () => {
      this.#channels -= 1;
    });
    return channel;
  }

  /** Returns the error of a server that refuses the channel, with a reason, or the request on it. */
  #channelError(what: string, error: Error): Error {
    return 'reason' in error ? channelRefused(this.label, what, error) : requestRefused(this.label, what, error);
  }

  /**
   * Asks the server for something and waits for its answer, the end of the connection, or the signal. `take` converts the
   * answer within ssh2's callback: what follows may already be in the same packet, and its events would be lost on a
   * listener that is added later. `late` disposes of an answer that nobody waits for any more.
   */
  #ask<T, R>(
    begin: (done: Done<T>) => void,
    o: { signal?: AbortSignal; take: (value: T) => R; refused: (error: Error) => Error; late?: (value: T) => void },
  ): Promise<R> {
    if (this.gone.aborted) return Promise.reject(this.gone.reason);
    const { signal } = o;
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (): boolean => {
        if (settled) return false;
        settled = true;
        this.#waiting.delete(fail);
        signal?.removeEventListener('abort', onAbort);
        return true;
      };
      const fail = (error: Error): void => {
        if (settle()) reject(error);
      };
      const onAbort = (): void => fail(signal?.reason);
      this.#waiting.add(fail);
      signal?.addEventListener('abort', onAbort, { once: true });
      const done: Done<T> = (error, value) => {
        // ssh2 fails what is pending before it reports that the connection ended: the reason comes a moment later.
        if (error) setImmediate(() => fail(o.refused(error)));
        else if (settle()) resolve(o.take(value as T));
        else o.late?.(value as T);
      };
      try {
        begin(done);
      } catch (error) {
        fail(connectionLost(this.#target, error));
      }
    });
  }

  #running(channel: ClientChannel, argv: readonly string[], command: MarkedCommand | undefined): Running {
    let exited: Exit | undefined;
    const { promise: exit, resolve, reject } = Promise.withResolvers<Exit>();
    // A caller may only read the streams and ignore the exit.
    exit.catch(() => {});
    const settled = (): boolean => this.#waiting.delete(reject);
    this.#waiting.add(reject);
    if (this.gone.aborted) reject(this.gone.reason);
    const close = (): void => {
      settled();
      reject(commandClosed(this.label));
      // Unread data would keep the channel open.
      channel.resume();
      channel.stderr.resume();
      channel.close();
    };
    const giveUp = (how: string): void => {
      reject(commandNotBegun(this.#target, argv[0] ?? '', how, shell?.said ?? ''));
      close();
    };
    const shell = command && new ShellNoise(channel, command, giveUp);
    channel.on('exit', (code: number | null, signal?: string) => {
      exited = code === null ? { signal: signal?.replace(/^SIG/, '') } : { code };
    });
    channel.on('error', reject);
    channel.on('close', () => {
      settled();
      shell?.ended();
      this.#noise = shell?.said || this.#noise;
      if (exited !== undefined && (shell?.begun ?? true)) resolve(exited);
      else if (exited !== undefined) giveUp(`ended with ${spell(exited)} before it ran`);
      // ssh2 closes the channels of a lost connection before it reports the loss.
      else setImmediate(() => reject(this.gone.aborted ? this.gone.reason : noExitStatus(this.label)));
    });
    const stdin = stdinOf(channel, shell && ((chunk) => shell.input(chunk)));
    return {
      stdin,
      stdout: channel.stdout,
      stderr: channel.stderr,
      exit,
      get noise() {
        return shell === undefined || shell.begun ? '' : shell.said;
      },
      close,
    };
  }

  #onConnection(details: TcpConnectionDetails, accept: () => ClientChannel, reject: () => void): void {
    const onConnection = this.#listeners.get(`${details.destIP}:${details.destPort}`);
    if (onConnection === undefined) {
      reject();
      return;
    }
    const socket = this.#counted(accept());
    // An error without a listener would end the process; it is followed by `close`.
    socket.on('error', () => {});
    onConnection(socket, { address: details.srcIP, port: details.srcPort });
  }
}

const spell = ({ code, signal }: Exit): string => (code === undefined ? `signal ${signal}` : `exit code ${code}`);
