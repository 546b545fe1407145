import { randomUUID } from 'node:crypto';
import { virshFailed } from '../../errors/libvirt.ts';
import type { Host, HostSource, Running } from '../../ssh/types.ts';
import { abortable, withTimeout } from '../../util/abort.ts';
import { program } from '../../util/program.ts';
import { parseArp, parseForwarding } from './tables.ts';

/** Milliseconds for one answer, and for which the program stays while nobody asks. */
const LIMIT = 60_000;
const IDLE = 20_000;

/** Characters of one answer: a worker with some ten thousand guests has fewer. */
const MOST = 8 * 2 ** 20;

/** What is done, as an error says it. */
const WHAT = "the look into the worker's ARP table";

/** What separates the two tables. */
const CUT = '--';

const PROGRAM = program(import.meta.url, 'watch-neighbors');

/** The program on a worker, and who waits for its answer. */
interface Program {
  host: Host;
  running: Running;
  failed?: (why: unknown) => void;
}

/** Who is where on a worker. */
export interface NeighborTable {
  /** From /proc/net/arp. */
  arp: ReturnType<typeof parseArp>;
  /** From `bridge fdb show`. */
  ports: ReturnType<typeof parseForwarding>;
}

/**
 * Looks into a worker's ARP table and its bridges' forwarding tables, through one program that stays there: this is
 * asked ten times a second while guests boot, and at each of their requests for metadata, and a command of its own costs
 * its sshd a process and a tenth of a second each time.
 */
export class NeighborWatcher {
  readonly #label: string;
  readonly #source: HostSource;
  #program: Program | undefined;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<NeighborTable> | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @param label as messages call the worker */
  constructor(label: string, source: HostSource) {
    this.#label = label;
    this.#source = source;
  }

  /** What is there now: never older than the question. Who asks while another's answer is on its way shares the next. */
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
      const late = () => virshFailed(this.#label, WHAT, 'it does not answer');
      return await withTimeout(new AbortController().signal, LIMIT, late, (signal) => this.#ask(signal));
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#idle = setTimeout(() => this.close(), IDLE).unref();
    }
  }

  async #ask(signal: AbortSignal): Promise<NeighborTable> {
    const host = await this.#source(signal);
    // With another connection, or none, the program is gone.
    if (this.#program?.host !== host || host.gone.aborted) this.close();
    if (this.#program) {
      try {
        return await this.#put(this.#program, signal);
      } catch {
        // It may have been ended by hand: a new one says what is wrong.
        this.close();
        signal.throwIfAborted();
      }
    }
    const running = await host.start(['/bin/sh', '-c', PROGRAM]);
    const program: Program = { host, running };
    this.#program = program;
    // One listener for all answers: each of its own would stay as long as the program does.
    const ended = (why: unknown) => {
      program.failed?.(why);
      if (this.#program === program) this.#program = undefined;
    };
    running.exit.then(() => ended(virshFailed(this.#label, WHAT, 'the program ended')), ended);
    running.stdin.on('error', () => {});
    running.stdout.setEncoding('utf8');
    // Where a table cannot be read it is empty, as on a worker without bridges.
    running.stderr.resume();
    return this.#put(program, signal);
  }

  async #put(program: Program, signal: AbortSignal): Promise<NeighborTable> {
    const { stdin, stdout } = program.running;
    const mark = randomUUID();
    let text = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onData = (chunk: string) => {
      text += chunk;
      if (text.endsWith(`\n${mark}\n`)) resolve();
      else if (text.length > MOST) reject(virshFailed(this.#label, WHAT, `it is over ${MOST} characters`));
    };
    stdout.on('data', onData);
    program.failed = reject;
    try {
      stdin.write(`${mark}\n`);
      await abortable(promise, signal);
    } finally {
      stdout.off('data', onData);
      delete program.failed;
    }
    const [arp = '', ports = ''] = text.slice(0, -mark.length - 1).split(`${CUT}\n`);
    return { arp: parseArp(arp), ports: parseForwarding(ports) };
  }

  /** Ends the program; it is started again by the next look. */
  close(): void {
    const { running } = this.#program ?? {};
    this.#program = undefined;
    running?.stdin.end();
    running?.close();
  }
}
