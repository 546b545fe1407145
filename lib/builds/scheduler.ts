import { setTimeout as sleep } from 'node:timers/promises';
import { noFreeSlot, untrustedCode } from '../errors/build.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { isWorkerFull } from '../errors/worker.ts';
import type { Slots } from '../store/slots.ts';
import { roundMinutes } from '../util/format.ts';
import type { Worker } from '../worker/types.ts';
import { type Availability, askAvailability, type Shortage, unanswered } from './availability.ts';

/** Delay before asking again hosts that had a free slot but too little memory, or could not be reached. */
const CAPACITY_RETRY_MS = 5_000;

/** Time that placing a build waits for such a report before it counts the host as full. */
const CAPACITY_WAIT_MS = 1_000;

/** Time for which a worker is the last choice after its disk was full or it caused a build to fail. */
const SUSPECT_MS = 600_000;

/** A build's request for a slot. */
export interface SlotRequest {
  /** Milliseconds to wait at most. */
  limit: number;
  /** Whether the change comes from a Gerrit on this machine, so that a worker that is not isolated may run it. */
  trusted: boolean;
  signal: AbortSignal;
  /** Returns true for workers to choose only if there is no other. */
  avoid?(worker: Worker): boolean;
  /** Called with the position in the queue (from 1) and the reason, as a sentence and in two words, when they change. */
  onWait(position: number, why: string, brief: string): void;
}

interface Waiter {
  build: string;
  workers: () => Worker[];
  request: SlotRequest;
  take(worker: Worker): void;
  /** Why no worker has a slot for it, as text and in two words. */
  why: string;
  brief: string;
  /** The last position and reason that it was notified of. */
  lastNotice: string;
}

/** Places builds on worker hosts. If no host has capacity, builds wait in order of arrival. */
export class Scheduler {
  readonly #slots: Slots;
  readonly #waiting: Waiter[] = [];
  /** Hosts that have not answered yet: one that is down must not delay builds for the others. */
  readonly #pending = new Map<Worker, Promise<Availability>>();
  /** When a worker's disk was last found full; deleted when a clone succeeds there. */
  readonly #full = new WeakMap<Worker, number>();
  /** When a worker last caused a build to fail in another way; deleted when a guest boots there. */
  readonly #faulty = new WeakMap<Worker, number>();
  #pumping = false;
  #pumpAgain = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(slots: Slots) {
    this.#slots = slots;
  }

  /**
   * Acquires a slot on the worker with the most free slots, then the most free memory.
   *
   * @param build id of the build
   * @param workers returns the workers as deployed now; called again while the build waits
   * @throws CiError if no worker may run the build or it waited too long; the signal's reason if it was aborted
   */
  async acquire(build: string, workers: () => Worker[], request: SlotRequest): Promise<Worker> {
    const { signal, limit } = request;
    if (allowed(workers(), request).length === 0) throw untrustedCode(labels(workers()));
    const { promise, resolve, reject } = Promise.withResolvers<Worker>();
    const waiter: Waiter = { build, workers, request, take: resolve, why: '', brief: '', lastNotice: '' };
    const leave = (reason: unknown) => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(reason);
      this.#notifyWaiters();
    };
    const onAbort = () => leave(signal.reason);
    if (signal.aborted) throw signal.reason;
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => leave(noFreeSlot(roundMinutes(limit), waiter.why)), limit).unref();
    this.#waiting.push(waiter);
    try {
      const [worker] = await Promise.all([promise, this.#pump()]);
      return worker;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      // If the slots could not be read, it is still in the queue.
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }

  /** Frees the build's slot and serves the builds that wait; idempotent. */
  async release(worker: Worker, build: string): Promise<void> {
    await this.#slots.release(worker.id, build);
    await this.#pump();
  }

  /**
   * Notes why a build failed. A full or faulty worker would fail builds within seconds, and so always have the most free
   * capacity and attract all builds: it becomes the last choice for a while.
   */
  noteFault(worker: Worker | undefined, fault: unknown): void {
    if (!worker) return;
    if (isWorkerFull(fault)) this.#full.set(worker, Date.now());
    else if (factsOf(fault).excludesHost) this.#faulty.set(worker, Date.now());
  }

  /** Notes that a clone succeeded, so the worker's disk is not full. */
  noteClone(worker: Worker): void {
    this.#full.delete(worker);
  }

  /** Notes that guests booted, so the worker is not faulty. */
  noteBoot(worker: Worker): void {
    this.#faulty.delete(worker);
  }

  /** Serves the queue; if called while it runs, it runs once more. */
  async #pump(): Promise<void> {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#pumping = true;
    try {
      do {
        this.#pumpAgain = false;
        const answers = new Map<Worker, Promise<Availability>>();
        for (const waiter of [...this.#waiting]) {
          const worker = await this.#place(waiter, answers);
          if (!worker) continue;
          // The host's answer does not include the new build yet.
          answers.delete(worker);
          const at = this.#waiting.indexOf(waiter);
          if (at < 0) {
            // It was aborted meanwhile.
            await this.#slots.release(worker.id, waiter.build);
            this.#pumpAgain = true;
            continue;
          }
          this.#waiting.splice(at, 1);
          waiter.take(worker);
        }
      } while (this.#pumpAgain);
    } finally {
      this.#pumping = false;
    }
    this.#notifyWaiters();
    this.#scheduleRetry();
  }

  /** Capacity may become free without a build's end, as by a deploy. */
  #scheduleRetry(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.length === 0) return;
    // If the slots cannot be read, the next acquire or release tries again.
    this.#timer = setTimeout(() => void this.#pump().catch(() => {}), CAPACITY_RETRY_MS).unref();
  }

  async #place(waiter: Waiter, answers: Map<Worker, Promise<Availability>>): Promise<Worker | undefined> {
    const { request, build } = waiter;
    const all = allowed(workersOf(waiter), request);
    const preferred = all.filter((worker) => !request.avoid?.(worker));
    const { healthy = [], suspect = [] } = Object.groupBy(preferred.length > 0 ? preferred : all, (worker) =>
      this.#isSuspect(worker) ? 'suspect' : 'healthy',
    );
    const reasons: Shortage[] = [];
    const first = await this.#acquireFrom(healthy, build, answers, reasons);
    if (first.worker) return first.worker;
    // Waiting for a healthy host is better than failing at once on a suspect one.
    if (first.hasReachable)
      reasons.push(
        ...suspect.map(({ label }) => ({ reason: `${label} just caused a build to fail`, brief: 'host failed' })),
      );
    else {
      const { worker } = await this.#acquireFrom(suspect, build, answers, reasons);
      if (worker) return worker;
    }
    if (reasons.length > 0 || waiter.why === '') {
      waiter.why = reasons.map(({ reason }) => reason).join('; ') || 'there is no worker host';
      waiter.brief = [...new Set(reasons.map(({ brief }) => brief))].join(', ') || 'no host';
    }
    return undefined;
  }

  /**
   * Acquires a slot on the worker with the most capacity. If there is none, adds to `reasons` why.
   *
   * @returns the worker, and whether at least one of them is reachable
   */
  async #acquireFrom(
    workers: readonly Worker[],
    build: string,
    answers: Map<Worker, Promise<Availability>>,
    reasons: Shortage[],
  ): Promise<{ worker?: Worker; hasReachable: boolean }> {
    const candidates = await Promise.all(
      workers.map(async (worker): Promise<Availability & { worker: Worker; free: number }> => {
        const free = worker.slots - (await this.#slots.held(worker.id));
        if (free <= 0)
          return {
            worker,
            free,
            memory: 0,
            shortage: {
              reason: `${worker.label} has ${worker.slots} of ${worker.slots} slots in use`,
              brief: `${worker.slots}/${worker.slots} slots`,
            },
          };
        const asked = answers.get(worker) ?? this.#ask(worker);
        answers.set(worker, asked);
        return { worker, free, ...(await asked) };
      }),
    );
    reasons.push(...candidates.flatMap(({ shortage }) => shortage ?? []));
    const open = candidates.filter(({ shortage }) => shortage === undefined);
    open.sort((a, b) => b.free - a.free || b.memory - a.memory);
    for (const { worker } of open) {
      if ((await this.#slots.acquire(worker.id, worker.slots, build)) !== undefined)
        return { worker, hasReachable: true };
    }
    return { hasReachable: candidates.some(({ isUnreachable }) => !isUnreachable) };
  }

  async #ask(worker: Worker): Promise<Availability> {
    const asked = this.#pending.get(worker);
    const answer = asked ?? askAvailability(worker).finally(() => this.#pending.delete(worker));
    this.#pending.set(worker, answer);
    const timer = new AbortController();
    const silent = { memory: 0, shortage: unanswered(worker) };
    const late = sleep(asked ? 0 : CAPACITY_WAIT_MS, silent, { signal: timer.signal, ref: false }).catch(() => silent);
    const first = await Promise.race([answer, late]);
    timer.abort();
    if (first === silent && !asked) answer.then(() => this.#pump()).catch(() => {});
    return first;
  }

  #isSuspect(worker: Worker): boolean {
    const since = Math.max(this.#full.get(worker) ?? 0, this.#faulty.get(worker) ?? 0);
    return Date.now() - since < SUSPECT_MS;
  }

  #notifyWaiters(): void {
    for (const [index, waiter] of this.#waiting.entries()) {
      const notice = `${index + 1} ${waiter.why}`;
      if (waiter.lastNotice === notice) continue;
      waiter.lastNotice = notice;
      waiter.request.onWait(index + 1, waiter.why, waiter.brief);
    }
  }
}

/** Returns the waiter's workers; none, with the reason in `why`, if a deploy made them unusable. */
function workersOf(waiter: Waiter): Worker[] {
  try {
    return waiter.workers();
  } catch (error) {
    waiter.why = messageOf(error);
    waiter.brief = 'no host';
    return [];
  }
}

const allowed = (workers: Worker[], { trusted }: SlotRequest): Worker[] =>
  workers.filter((worker) => worker.isolated || worker.acceptsUntrusted || trusted);

const labels = (workers: Worker[]): string => workers.map(({ label }) => label).join(', ');
