import type { Duplex } from 'node:stream';
import type { SFTPWrapper } from 'ssh2';
import { CiError, factsOf, messageOf } from '../../errors/ci-error.ts';
import { sftpNoise } from '../../errors/ssh-command.ts';
import { collect } from '../session/collect.ts';
import { closeOn } from '../session/running.ts';
import { Sessions } from '../session/sessions.ts';
import type { Host, Running, RunOptions, RunResult } from '../types.ts';
import type { ConnectionTarget, OnConnection, SshConnection } from './ssh-connection.ts';

/** Milliseconds for finding out what the login shell prints after a file transfer has failed. */
const SHELL_TEST_TIMEOUT_MS = 10_000;

/**
 * A machine over SSH: one connection that is logged in, and further ones while that one has no session free. Forwarded
 * connections all use the first. Created only by `connectHost`.
 */
export class SshHost implements Host {
  readonly label: string;
  readonly gone: AbortSignal;
  readonly #target: ConnectionTarget;
  readonly #first: SshConnection;
  readonly #sessions: Sessions<SshConnection>;

  /** @param connect makes a further connection; missing if that is not possible */
  constructor(target: ConnectionTarget, first: SshConnection, connect?: () => Promise<SshConnection>) {
    this.#target = target;
    this.#first = first;
    this.label = target.label;
    this.gone = first.gone;
    this.#sessions = new Sessions({ first, ...(connect ? { connect } : {}) });
    const onGone = (): void => this.#sessions.close(first.gone.reason);
    if (first.gone.aborted) onGone();
    else first.gone.addEventListener('abort', onGone, { once: true });
  }

  get busy(): boolean {
    return this.#sessions.connections.some(({ busy }) => busy);
  }

  get noise(): string {
    return this.#sessions.connections.map(({ noise }) => noise).find((noise) => noise !== '') ?? '';
  }

  get sessionLimit(): number | undefined {
    return this.#sessions.limit;
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const running = await this.#sessions.open((connection) => connection.exec(argv, true), options.signal);
    // OpenSSH accepts no signals for a command if the login is root (session.c), so the channel is just closed.
    return collect(running, argv, options, this.label, running.close);
  }

  async start(argv: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Running> {
    const running = await this.#sessions.open((connection) => connection.exec(argv), options.signal);
    closeOn(options.signal, running);
    return running;
  }

  async sftp(signal?: AbortSignal): Promise<SFTPWrapper> {
    try {
      return await this.#sessions.open((connection) => connection.sftp(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw await this.#whyNoSftp(error, signal);
    }
  }

  forwardOut(host: string, port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#first.forwardOut(host, port, signal);
  }

  forwardIn(
    address: string,
    port: number,
    onConnection: OnConnection,
  ): Promise<{ port: number; close(): Promise<void> }> {
    return this.#first.forwardIn(address, port, onConnection);
  }

  close(): void {
    this.#first.close();
  }

  /** OpenSSH starts an external sftp-server through the login shell, and what that prints first breaks the protocol. */
  async #whyNoSftp(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (!isBrokenTransfer(error) || this.gone.aborted) return error;
    try {
      await this.run(['true'], { timeout: SHELL_TEST_TIMEOUT_MS, ...(signal ? { signal } : {}) });
    } catch (fault) {
      signal?.throwIfAborted();
      return factsOf(fault).runsNoCommand ? fault : error;
    }
    return this.noise === '' ? error : sftpNoise(this.#target, this.noise, error);
  }
}

/** Returns whether a file transfer began but received something else: the server did not refuse it. */
const isBrokenTransfer = (error: unknown): boolean =>
  error instanceof CiError &&
  error.facts.sshRefusal === 'request' &&
  /packet|while establishing|unexpected SFTP/i.test(messageOf(error.cause));
