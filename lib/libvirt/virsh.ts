import { setTimeout as sleep } from 'node:timers/promises';
import { libvirtDown, virshFailed, virshMissing } from '../errors/libvirt.ts';
import type { HostSource, RunResult } from '../ssh/types.ts';
import { program } from '../util/program.ts';

/** What virsh says where its daemon is not there, or goes away in the middle of a call. */
const DOWN =
  /failed to connect to the hypervisor|failed to connect socket|end of file while reading data|client socket is closed|cannot recv data|cannot write data|disconnected from/i;

/** What it says of a domain that is not there. */
const NO_DOMAIN = /failed to get domain|domain not found/i;

/** Milliseconds. */
const RETRY = { pause: 300, limit: 15_000 };
const TIMEOUT = 60_000;

const PATHS = program(import.meta.url, 'paths');

export interface CallSettings {
  signal: AbortSignal;
  /** What is done, for the error: "the list of guests". */
  what: string;
  stdin?: string;
  /** Bytes of output kept; lib/ssh's own limit where missing. */
  limit?: number;
  /** Whether a call that was begun is waited for even after an abort: who comes next must know what it did. */
  toTheEnd?: boolean;
}

/** What a call that may fail gave. */
export type Answer = Pick<RunResult, 'code' | 'stdout' | 'stderr'>;

/**
 * libvirt of one worker, through its own command `virsh`: it needs nothing on the worker but what its operator uses, and
 * what goes wrong can be tried by hand. A daemon that restarts is waited for, so a call may be made twice.
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

  /** One virsh command. Its failure is an answer too; only a libvirt that stays away rejects. */
  async ask(args: readonly string[], settings: CallSettings): Promise<Answer> {
    return this.#again(['virsh', '-q', '-c', this.uri, ...args], settings);
  }

  /** One virsh command that must not fail; gives what it printed. */
  async run(args: readonly string[], settings: CallSettings): Promise<string> {
    return this.#must(await this.ask(args, settings), settings);
  }

  /**
   * A fixed shell program, for what takes several commands, in one round trip. Its first argument is libvirt's URI; no
   * data stands in its text.
   */
  async askProgram(text: string, args: readonly string[], settings: CallSettings): Promise<Answer> {
    return this.#again(['sh', '-c', `${PATHS}${text}`, 'recheck', this.uri, ...args], settings);
  }

  /** As askProgram, for one that must not fail. */
  async program(text: string, args: readonly string[], settings: CallSettings): Promise<string> {
    return this.#must(await this.askProgram(text, args, settings), settings);
  }

  /** Whether an answer says that the domain is not there. */
  static isGone(answer: Answer): boolean {
    return answer.code !== 0 && NO_DOMAIN.test(answer.stderr);
  }

  #must(answer: Answer, { what }: CallSettings): string {
    if (answer.code === 0) return answer.stdout;
    throw virshFailed(this.label, what, answer.stderr || answer.stdout);
  }

  async #again(argv: readonly string[], settings: CallSettings): Promise<Answer> {
    const { signal, stdin, limit, toTheEnd = false } = settings;
    const options = { stdin, limit, timeout: TIMEOUT, ...(toTheEnd ? {} : { signal }) };
    const end = performance.now() + RETRY.limit;
    for (;;) {
      const host = await this.#source(signal);
      // Its words are read: they must be English.
      const answer = await host.run(['env', 'LC_ALL=C', ...argv], options);
      if (answer.code === 0) return answer;
      if (answer.code === 127 && /virsh|env:/.test(answer.stderr)) throw virshMissing(this.label);
      if (!DOWN.test(answer.stderr)) return answer;
      if (performance.now() > end) throw libvirtDown(this.label, this.uri, answer.stderr);
      await sleep(RETRY.pause, undefined, { signal });
    }
  }
}
