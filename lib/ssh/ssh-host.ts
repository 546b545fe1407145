import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, SFTPWrapper, TcpConnectionDetails } from 'ssh2';
import {
  channelRefused,
  commandClosed,
  connectFromThere,
  connectionLost,
  hostClosed,
  listenFailed,
  noExitStatus,
  requestRefused,
  type SshPlace,
} from '../errors/ssh.ts';
import { collect } from './collect.ts';
import { quote } from './quote.ts';
import { closeOn } from './running.ts';
import { Sessions } from './sessions.ts';
import { stdinOf } from './stdin.ts';
import type { Exit, Host, Running, RunOptions, RunResult } from './types.ts';

/** How long a closed connection may take to say goodbye before it is cut. */
const GOODBYE = 2_000;

type OnConnection = (socket: Duplex, source: { address: string; port: number }) => void;
type Done<T> = (error: Error | undefined, value?: T) => void;

/** A machine over one ssh2 connection that is logged in. Made by `connectHost` alone. */
export class SshHost implements Host {
  readonly label: string;
  readonly gone: AbortSignal;
  readonly #client: Client;
  readonly #place: SshPlace;
  readonly #ended = new AbortController();
  /** What must fail when the connection ends. */
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #sessions = new Sessions();
  /** Channels that are open. */
  #channels = 0;
  /** By `address:port` as the server names it. */
  readonly #listeners = new Map<string, OnConnection>();

  constructor(client: Client, place: SshPlace) {
    this.#client = client;
    this.#place = place;
    this.label = place.label;
    this.gone = this.#ended.signal;
    let fault: Error | undefined;
    client.on('error', (error) => {
      fault ??= error;
    });
    client.on('close', () => this.#end(connectionLost(place, fault)));
    client.on('tcp connection', (details, accept, reject) => this.#onConnection(details, accept, reject));
  }

  get busy(): boolean {
    return this.#channels > 0 || this.#waiting.size > 0 || this.#listeners.size > 0;
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    options.signal?.throwIfAborted();
    const running = await this.#exec(argv, options.signal);
    // OpenSSH takes no signals for a command where the login is root (session.c): it can only be let go of.
    return collect(running, argv, options, this.label, running.close);
  }

  async start(argv: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Running> {
    options.signal?.throwIfAborted();
    const running = await this.#exec(argv, options.signal);
    closeOn(options.signal, running);
    return running;
  }

  sftp(signal?: AbortSignal): Promise<SFTPWrapper> {
    const ask = () =>
      this.#ask((done: Done<SFTPWrapper>) => this.#client.sftp(done), {
        signal,
        take: (sftp) => this.#session(this.#counted(sftp), sftp),
        refused: (error) => this.#channelError('file transfer (SFTP)', error),
        late: (sftp) => sftp.end(),
      });
    return this.#sessions.open(ask, signal);
  }

  forwardOut(host: string, port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#ask((done: Done<ClientChannel>) => this.#client.forwardOut('127.0.0.1', 0, host, port, done), {
      signal,
      take: (channel) => this.#counted(channel),
      refused: (error) => connectFromThere(this.label, host, port, error),
      late: (channel) => channel.destroy(),
    });
  }

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
        // Where it fails the connection is going, and its listeners with it.
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
    const cut = setTimeout(() => this.#client.destroy(), GOODBYE).unref();
    this.#client.once('close', () => clearTimeout(cut));
  }

  #end(why: Error): void {
    if (this.gone.aborted) return;
    this.#ended.abort(why);
    for (const fail of [...this.#waiting]) fail(why);
    this.#listeners.clear();
  }

  #exec(argv: readonly string[], signal: AbortSignal | undefined): Promise<Running> {
    const command = quote(argv);
    const ask = () =>
      this.#ask((done: Done<ClientChannel>) => this.#client.exec(command, done), {
        signal,
        take: (channel) => this.#session(channel, this.#running(this.#counted(channel))),
        refused: (error) => this.#channelError(`"${argv[0]}"`, error),
        late: (channel) => channel.close(),
      });
    return this.#sessions.open(ask, signal);
  }

  #session<T>(channel: SFTPWrapper | ClientChannel, session: T) {
    return { session, onClose: (closed: () => void) => void (channel as NodeJS.EventEmitter).once('close', closed) };
  }

  #counted<T extends SFTPWrapper | ClientChannel>(channel: T): T {
    this.#channels += 1;
    (channel as NodeJS.EventEmitter).once('close', () => {
      this.#channels -= 1;
    });
    return channel;
  }

  /** The server says no either to the channel, with a reason, or to what is asked for on it. */
  #channelError(what: string, error: Error): Error {
    return 'reason' in error ? channelRefused(this.label, what, error) : requestRefused(this.label, what, error);
  }

  /**
   * Asks the server for something and waits for its answer, the end of the connection, or the signal. `take` makes of
   * the answer what is wanted, within ssh2's callback: what comes behind the answer may already be in the same packet,
   * and its events would be lost on a listener that is put on later. `late` gets rid of an answer nobody waits for.
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
        // ssh2 fails what is open before it says that the connection ended: the reason comes a moment later.
        if (error) setImmediate(() => fail(o.refused(error)));
        else if (settle()) resolve(o.take(value as T));
        else o.late?.(value as T);
      };
      try {
        begin(done);
      } catch (error) {
        fail(connectionLost(this.#place, error));
      }
    });
  }

  #running(channel: ClientChannel): Running {
    let exited: Exit | undefined;
    const { promise: exit, resolve, reject } = Promise.withResolvers<Exit>();
    // Who only reads the streams need not know how it ended.
    exit.catch(() => {});
    const settled = (): boolean => this.#waiting.delete(reject);
    this.#waiting.add(reject);
    if (this.gone.aborted) reject(this.gone.reason);
    channel.on('exit', (code: number | null, signal?: string) => {
      exited = code === null ? { signal: signal?.replace(/^SIG/, '') } : { code };
    });
    channel.on('error', reject);
    channel.on('close', () => {
      settled();
      if (exited !== undefined) resolve(exited);
      // ssh2 closes the channels of a lost connection before it tells of the loss.
      else setImmediate(() => reject(this.gone.aborted ? this.gone.reason : noExitStatus(this.label)));
    });
    const close = (): void => {
      settled();
      reject(commandClosed(this.label));
      // What nobody read would keep the channel open.
      channel.resume();
      channel.stderr.resume();
      channel.close();
    };
    return { stdin: stdinOf(channel), stdout: channel.stdout, stderr: channel.stderr, exit, close };
  }

  #onConnection(details: TcpConnectionDetails, accept: () => ClientChannel, reject: () => void): void {
    const onConnection = this.#listeners.get(`${details.destIP}:${details.destPort}`);
    if (onConnection === undefined) {
      reject();
      return;
    }
    const socket = this.#counted(accept());
    // An error without a listener would end the process; it is followed by the socket's close.
    socket.on('error', () => {});
    onConnection(socket, { address: details.srcIP, port: details.srcPort });
  }
}
