import { randomUUID } from 'node:crypto';
import { virshFailed } from '../../errors/libvirt.ts';
import type { Host, HostSource, Running } from '../../ssh/types.ts';
import { abortable, withTimeout } from '../../util/abort.ts';
import { program } from '../../util/program.ts';
import { parseArp, parseForwarding } from './tables.ts';

const ANSWER_TIMEOUT_MS = 60_000;
/** The program ends after this long without a question. */
const IDLE_LIMIT_MS = 20_000;

/** Limit of one answer: a worker with ten thousand guests has less. */
const MAX_ANSWER_CHARS = 8 * 2 ** 20;

/** The operation, in errors. */
const OPERATION = "the look into the worker's ARP table";

/** Separates the two tables. */
const CUT = '--';

const PROGRAM = program(import.meta.url, 'watch-neighbors');

/** The running program on a worker, and who waits for its answer. */
interface RunningProgram {
  host: Host;
  running: Running;
  failed?: (why: unknown) => void;
}

/** The MACs of a worker's addresses, and the bridge ports of these MACs. */
export interface NeighborTable {
  /** From /proc/net/arp. */
  arp: ReturnType<typeof parseArp>;
  /** From `bridge fdb show`. */
  ports: ReturnType<typeof parseForwarding>;
}

/**
 * Reads a worker's ARP table and its bridges' forwarding tables through one program that keeps running there: they are
 * needed ten times a second while guests boot, and at each metadata request, and a separate command costs the sshd a
 * process and a tenth of a second each time.
 */
export class NeighborWatcher {
  readonly #label: string;
  readonly #source: HostSource;
  #program: RunningProgram | undefined;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<NeighborTable> | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @param label name of the worker in messages */
  constructor(label: string, source: HostSource) {
    this.#label = label;
    this.#source = source;
  }

  /** Returns the tables, never older than the call. Calls during a pending answer share the next one. */
  look(signal: AbortSignal): Promise<NeighborTable> {
    if (!this.#next) {
      const next = this.#current.then(() => {
        this.#next = undefined;
        return this.#answer();
      });
      this.#next = next;
      this.#current = next.catch(() => {});
    }
    return abortable(this.#next, signal);
  }

  async #answer(): Promise<NeighborTable> {
    clearTimeout(this.#idle);
    try {
      const late = () => virshFailed(this.#label, OPERATION, 'it does not answer');
      return await withTimeout(new AbortController().signal, ANSWER_TIMEOUT_MS, late, (signal) => this.#ask(signal));
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#idle = setTimeout(() => this.close(), IDLE_LIMIT_MS).unref();
    }
  }

  async #ask(signal: AbortSignal): Promise<NeighborTable> {
    const host = await this.#source(signal);
    // The program ends with its connection.
    if (this.#program?.host !== host || host.gone.aborted) this.close();
    if (this.#program) {
      try {
        return await this.#put(this.#program, signal);
      } catch {
        // Somebody may have killed it; a new one reports what is wrong.
        this.close();
        signal.throwIfAborted();
      }
    }
    const running = await host.start(['/bin/sh', '-c', PROGRAM]);
    const started: RunningProgram = { host, running };
    this.#program = started;
    // One listener for all answers: one per answer would stay as long as the program.
    const ended = (why: unknown) => {
      started.failed?.(why);
      if (this.#program === started) this.#program = undefined;
    };
    running.exit.then(() => ended(virshFailed(this.#label, OPERATION, 'the program ended')), ended);
    running.stdin.on('error', () => {});
    running.stdout.setEncoding('utf8');
    // A table that cannot be read is empty, as on a worker without bridges.
    running.stderr.resume();
    return this.#put(started, signal);
  }

  async #put(asked: RunningProgram, signal: AbortSignal): Promise<NeighborTable> {
    const { stdin, stdout } = asked.running;
    const mark = randomUUID();
    let text = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onData = (chunk: string) => {
      text += chunk;
      if (text.endsWith(`\n${mark}\n`)) resolve();
      else if (text.length > MAX_ANSWER_CHARS)
        reject(virshFailed(this.#label, OPERATION, `it is over ${MAX_ANSWER_CHARS} characters`));
    };
    stdout.on('data', onData);
    asked.failed = reject;
    try {
      stdin.write(`${mark}\n`);
      await abortable(promise, signal);
    } finally {
      stdout.off('data', onData);
      delete asked.failed;
    }
    const [arp = '', ports = ''] = text.slice(0, -mark.length - 1).split(`${CUT}\n`);
    return { arp: parseArp(arp), ports: parseForwarding(ports) };
  }

  /** Ends the program; the next call starts it again. */
  close(): void {
    const { running } = this.#program ?? {};
    this.#program = undefined;
    running?.stdin.end();
    running?.close();
  }
}
