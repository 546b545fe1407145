import { setTimeout as sleep } from 'node:timers/promises';
import { libvirtDown, virshFailed, virshMissing } from '../errors/libvirt.ts';
import type { HostSource, RunResult } from '../ssh/types.ts';
import { program } from '../util/program.ts';

/** virsh's errors if its daemon is not running, or stops during a call. */
const DOWN =
  /failed to connect to the hypervisor|failed to connect socket|end of file while reading data|client socket is closed|cannot recv data|cannot write data|disconnected from/i;

/** virsh's errors if a domain does not exist. */
const NO_DOMAIN = /failed to get domain|domain not found/i;

const RETRY_DELAY_MS = 300;
const RETRY_LIMIT_MS = 15_000;
const CALL_TIMEOUT_MS = 60_000;

const PATHS = program(import.meta.url, 'paths');

/** How one `virsh` command is called. */
export interface CallSettings {
  signal: AbortSignal;
  /** What the call does, for the error message: "the list of guests". */
  what: string;
  stdin?: string;
  /** Bytes of output kept; the limit of lib/ssh if missing. */
  limit?: number;
  /** Whether a call that has begun is awaited even after an abort, since what follows must know what it did. */
  toTheEnd?: boolean;
}

/** The result of a call that may fail. */
export type Answer = Pick<RunResult, 'code' | 'stdout' | 'stderr'>;

/**
 * Runs `virsh` on one worker: the worker needs nothing beyond what its operator uses, and errors can be reproduced
 * manually. Waits for a daemon that restarts, so a call may run twice.
 */
export class Virsh {
  readonly label: string;
  readonly uri: string;
  readonly #source: HostSource;

  constructor(label: string, uri: string, source: HostSource) {
    this.label = label;
    this.uri = uri;
    this.#source = source;
  }

  /** Runs a virsh command that may fail. @throws CiError if libvirt cannot be reached */
  async ask(args: readonly string[], settings: CallSettings): Promise<Answer> {
    return this.#again(['virsh', '-q', '-c', this.uri, ...args], settings);
  }

  /** Runs a virsh command and returns its output. @throws CiError if it fails */
  async run(args: readonly string[], settings: CallSettings): Promise<string> {
    return this.#must(await this.ask(args, settings), settings);
  }

  /**
   * Runs a fixed shell program of several commands in one round trip. Its first argument is the libvirt URI; data comes
   * as arguments only.
   */
  async askProgram(text: string, args: readonly string[], settings: CallSettings): Promise<Answer> {
    return this.#again(['sh', '-c', `${PATHS}${text}`, 'recheck', this.uri, ...args], settings);
  }

  /** Runs a program like askProgram and returns its output. @throws CiError if it fails */
  async program(text: string, args: readonly string[], settings: CallSettings): Promise<string> {
    return this.#must(await this.askProgram(text, args, settings), settings);
  }

  /** Whether an answer says that the domain does not exist. */
  static isGone(answer: Answer): boolean {
    return answer.code !== 0 && NO_DOMAIN.test(answer.stderr);
  }

  #must(answer: Answer, { what }: CallSettings): string {
    if (answer.code === 0) return answer.stdout;
    throw virshFailed(this.label, what, answer.stderr || answer.stdout);
  }

  async #again(argv: readonly string[], settings: CallSettings): Promise<Answer> {
    const { signal, stdin, limit, toTheEnd = false } = settings;
    const options = { stdin, limit, timeout: CALL_TIMEOUT_MS, ...(toTheEnd ? {} : { signal }) };
    const end = performance.now() + RETRY_LIMIT_MS;
    for (;;) {
      const host = await this.#source(signal);
      // Its messages are matched, so they must be English.
      const answer = await host.run(['env', 'LC_ALL=C', ...argv], options);
      if (answer.code === 0) return answer;
      if (answer.code === 127 && /virsh|env:/.test(answer.stderr)) throw virshMissing(this.label);
      if (!DOWN.test(answer.stderr)) return answer;
      if (performance.now() > end) throw libvirtDown(this.label, this.uri, answer.stderr);
      await sleep(RETRY_DELAY_MS, undefined, { signal });
    }
  }
}
