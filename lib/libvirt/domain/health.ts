import { CiError } from '../../errors/ci-error.ts';
import { guestHalted, guestVanished } from '../../errors/libvirt.ts';
import { guestDied } from '../../errors/worker.ts';
import type { DomainType } from '../types.ts';
import { Virsh } from '../virsh.ts';
import { examineGuest, type Finding } from './halted.ts';
import { conditionOf, type DomainCondition, parseDomainList } from './state.ts';

const WATCH_INTERVAL_MS = 3_000;
const WATCH_TIMEOUT_MS = 20_000;

/** How long a running guest is assumed to run, since many callers ask at once. */
const RUNNING_TTL_MS = 2_000;

/** A temporary pause that takes longer counts as permanent. */
const PASSING_LIMIT_MS = 60_000;

/** State of a domain that does not exist, in virsh's words for a defined one. */
const GONE = 'shut off';

/** What is known of a guest on this worker. */
export interface KnownGuest {
  folder: string;
  type: DomainType;
  /** Whether the type was set rather than found out. */
  isTypeSet?: boolean;
}

/** What `Health` needs to know about the guests of its worker. */
export interface HealthOptions {
  virsh: Virsh;
  /** Returns a guest; undefined if it belongs to another controller or was stopped. */
  guest(domain: string): KnownGuest | undefined;
  /** Returns the guest's serial console so far. */
  console(domain: string, signal: AbortSignal): Promise<string | undefined>;
  /** Called with QEMU's message if KVM gave up a guest. */
  onKvmFault(why: string): void;
}

interface Watched {
  tell: Set<(fault: CiError) => void>;
  passingSince?: number;
}

/**
 * Finds out whether guests of one worker can go on: a guest must not be paused, crashed, suspended or gone unless we
 * asked for it, and must not have met an error of the worker's storage. All watched guests share one `virsh list`.
 */
export class Health {
  readonly #options: HealthOptions;
  readonly #watched = new Map<string, Watched>();
  /** When a guest was last seen running, by performance.now(). */
  readonly #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Records that a guest has just started. */
  noteRunning(domain: string): void {
    this.#seen.set(domain, performance.now());
  }

  forget(domain: string): void {
    this.#seen.delete(domain);
  }

  /** Returns the output of `virsh domstate --reason`, and what it means. */
  async condition(domain: string, signal: AbortSignal): Promise<{ is: DomainCondition; state: string }> {
    const settings = { signal, what: `the state of guest ${domain}` };
    const answer = await this.#options.virsh.ask(['domstate', '--reason', '--domain', domain], settings);
    if (Virsh.isGone(answer)) return { is: 'gone', state: '' };
    const state = answer.stdout.trim();
    return { is: answer.code === 0 ? conditionOf(state) : 'running', state };
  }

  /** Whether a domain exists. @throws CiError if it does and cannot go on */
  async isThere(domain: string, signal: AbortSignal): Promise<boolean> {
    const { is, state } = await this.condition(domain, signal);
    if (is === 'halted') throw (await this.#why(domain, state, signal)).fault;
    return is !== 'gone';
  }

  /**
   * Checks that a booting guest runs; asks the worker at most every two seconds.
   *
   * @throws CiError that says why it does not run, with the end of its console if it is gone
   */
  async mustBoot(domain: string, signal: AbortSignal): Promise<void> {
    if (performance.now() - (this.#seen.get(domain) ?? Number.NEGATIVE_INFINITY) < RUNNING_TTL_MS) return;
    if (!(await this.isThere(domain, signal))) {
      const { fault, log } = await this.#why(domain, GONE, signal);
      if (fault.facts.guestEnd !== 'gone') throw fault;
      const how = `powered off or was destroyed${log === '' ? '' : ` (QEMU's log ends with: "${log}")`}`;
      throw guestDied(domain, how, (await this.#options.console(domain, signal)) ?? '');
    }
    this.noteRunning(domain);
  }

  /**
   * Checks that a guest that was up can go on, and that its clone can be written to: a fault of the worker must not be
   * blamed on what ran in the guest.
   *
   * @throws CiError that says why it cannot
   */
  async mustBeSound(domain: string, signal: AbortSignal): Promise<void> {
    if (!(await this.isThere(domain, signal))) throw (await this.#why(domain, GONE, signal)).fault;
    const finding = await this.#examine(domain, '', signal);
    if (finding?.fault) throw finding.fault;
  }

  /**
   * Calls back once if a guest that was up cannot go on. While the worker cannot be asked, it calls nothing.
   *
   * @returns a function that ends the watch
   */
  watch(domain: string, tell: (fault: CiError) => void): () => void {
    const watched = this.#watched.get(domain) ?? { tell: new Set() };
    watched.tell.add(tell);
    this.#watched.set(domain, watched);
    this.#next();
    return () => {
      watched.tell.delete(tell);
      if (watched.tell.size === 0 && this.#watched.get(domain) === watched) this.#watched.delete(domain);
      if (this.#watched.size === 0) {
        clearTimeout(this.#timer);
        this.#timer = undefined;
      }
    };
  }

  #next(): void {
    this.#timer ??= setTimeout(async () => {
      await this.#look().catch(() => undefined);
      this.#timer = undefined;
      if (this.#watched.size > 0) this.#next();
    }, WATCH_INTERVAL_MS).unref();
  }

  async #look(): Promise<void> {
    const signal = AbortSignal.timeout(WATCH_TIMEOUT_MS);
    const text = await this.#options.virsh.run(['list', '--all'], { signal, what: 'the list of guests' });
    const states = parseDomainList(text);
    const doubtful = [...this.#watched].filter(
      ([domain]) => !/^(running|idle|in shutdown)/.test(states.get(domain) ?? ''),
    );
    await Promise.all(
      doubtful.map(async ([domain, watched]) => {
        const fault = await this.#faultOf(domain, watched, signal).catch(() => undefined);
        if (!fault) return;
        if (this.#watched.get(domain) === watched) this.#watched.delete(domain);
        for (const tell of watched.tell) tell(fault);
      }),
    );
    for (const [domain, watched] of this.#watched)
      if (!doubtful.some(([name]) => name === domain)) delete watched.passingSince;
  }

  /** Examines a guest that the list shows as not running. */
  async #faultOf(domain: string, watched: Watched, signal: AbortSignal): Promise<CiError | undefined> {
    const { is, state } = await this.condition(domain, signal);
    // It is watched from before its start.
    if (is === 'running' || (is === 'gone' && !this.#seen.has(domain))) return undefined;
    if (is !== 'passing') return (await this.#why(domain, is === 'gone' ? GONE : state, signal)).fault;
    watched.passingSince ??= Date.now();
    if (Date.now() - watched.passingSince < PASSING_LIMIT_MS) return undefined;
    return guestHalted(this.#options.virsh.label, domain, state, '');
  }

  /** Finds out why a guest is gone or halted. */
  async #why(domain: string, state: string, signal: AbortSignal): Promise<Finding & { fault: CiError }> {
    let finding: Finding | undefined;
    try {
      finding = await this.#examine(domain, state, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CiError)) throw error;
    }
    const { label } = this.#options.virsh;
    const { fault = state === GONE ? guestVanished(label, domain) : guestHalted(label, domain, state, ''), log = '' } =
      finding ?? {};
    return { fault, log };
  }

  async #examine(domain: string, state: string, signal: AbortSignal): Promise<Finding | undefined> {
    const guest = this.#options.guest(domain);
    if (!guest) return undefined;
    const finding = await examineGuest(this.#options.virsh, { domain, state, ...guest }, signal);
    const { fault } = finding;
    if (fault?.facts.kvm === 'failed') this.#options.onKvmFault(fault.message);
    return finding;
  }
}
