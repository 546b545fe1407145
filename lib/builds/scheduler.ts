import { setTimeout as sleep } from 'node:timers/promises';
import { noRoom, untrustedCode } from '../errors/build.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { isWorkerFull } from '../errors/worker.ts';
import type { SlotTable } from '../store/types.ts';
import type { Worker } from '../worker/types.ts';

/** Milliseconds after which hosts are asked again that had a free slot, but no memory, or could not be reached. */
const AGAIN = 5_000;

/** Milliseconds that a host has to tell how much room it has, and that a build is kept waiting for it. */
const ASK_LIMIT = 30_000;
const PATIENCE = 1_000;

/** Milliseconds for which a worker whose disk was full, or that failed a build by a fault of its own, is the last choice. */
const DOUBT = 600_000;

/** What a build asks for. */
export interface RoomRequest {
  /** Milliseconds that it may wait. */
  limit: number;
  /** Whether the code comes from this machine's own Gerrit, so that a worker without walls may run it. */
  trusted: boolean;
  signal: AbortSignal;
  /** Workers that are taken only where every other is one too. */
  avoid?(worker: Worker): boolean;
  /** Told its place in the queue (from 1), and what it waits for, as that changes. */
  onWait(position: number, why: string): void;
}

interface Waiter {
  run: string;
  workers: () => Worker[];
  request: RoomRequest;
  take(worker: Worker): void;
  /** What every worker reasons, in words. */
  why: string;
  /** What it was told last. */
  told: string;
}

/** Finds a host with room for a build; where none has any, builds wait in the order in which they came. */
export class Scheduler {
  readonly #slots: SlotTable;
  readonly #waiting: Waiter[] = [];
  /** Hosts that were asked and have not answered yet: one that is down must not hold up the others' builds. */
  readonly #asks = new Map<Worker, Promise<Lack>>();
  /** When a worker's disk was last found full, and no clone has worked there since. */
  readonly #full = new WeakMap<Worker, number>();
  /** When a worker last failed a build by another fault of its own, and no guest has come up there since. */
  readonly #faulty = new WeakMap<Worker, number>();
  #pumping = false;
  #again = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  /**
   * Takes a slot for the run on the worker with the most room: free slots, then free memory.
   *
   * @param workers gives the workers as they are set now; asked again as long as the build waits
   * @throws CiError where no worker may take it or the time is up; the signal's reason where it is aborted
   */
  async acquire(run: string, workers: () => Worker[], request: RoomRequest): Promise<Worker> {
    const { signal, limit } = request;
    if (allowed(workers(), request).length === 0) throw untrustedCode(labels(workers()));
    const { promise, resolve, reject } = Promise.withResolvers<Worker>();
    const waiter: Waiter = { run, workers, request, take: resolve, why: '', told: '' };
    const leave = (reason: unknown) => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(reason);
      this.#tell();
    };
    const onAbort = () => leave(signal.reason);
    if (signal.aborted) throw signal.reason;
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => leave(noRoom(Number((limit / 60_000).toFixed(2)), waiter.why)), limit).unref();
    this.#waiting.push(waiter);
    try {
      const [worker] = await Promise.all([promise, this.#pump()]);
      return worker;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      // Where the slots could not be asked, it waits no longer.
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }

  async release(worker: Worker, run: string): Promise<void> {
    await this.#slots.release(worker.id, run);
    await this.#pump();
  }

  /**
   * Takes note of a build's fault. A worker whose disk is full, or that is at fault itself, would fail the next builds
   * within seconds, have the most room by that, and so get them all: it is taken only where no other is there.
   */
  noteFault(worker: Worker | undefined, fault: unknown): void {
    if (!worker) return;
    if (isWorkerFull(fault)) this.#full.set(worker, Date.now());
    else if (factsOf(fault).excludesHost) this.#faulty.set(worker, Date.now());
  }

  /** Takes note that there was space for a clone. */
  noteClone(worker: Worker): void {
    this.#full.delete(worker);
  }

  /** Takes note that guests came up on it. */
  noteBoot(worker: Worker): void {
    this.#faulty.delete(worker);
  }

  /** Serves the queue; called again while it runs, it goes round once more. */
  async #pump(): Promise<void> {
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    try {
      do {
        this.#again = false;
        const rooms = new Map<Worker, Promise<Lack>>();
        for (const waiter of [...this.#waiting]) {
          const worker = await this.#place(waiter, rooms);
          if (!worker) continue;
          // What it takes of the host is not seen there yet.
          rooms.delete(worker);
          const at = this.#waiting.indexOf(waiter);
          if (at < 0) {
            // It was aborted while the slot was being taken.
            await this.#slots.release(worker.id, waiter.run);
            this.#again = true;
            continue;
          }
          this.#waiting.splice(at, 1);
          waiter.take(worker);
        }
      } while (this.#again);
    } finally {
      this.#pumping = false;
    }
    this.#tell();
    this.#later();
  }

  /** A deploy, or time, may make room without a build's end. */
  #later(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.length === 0) return;
    // The slots could not be asked: the next who comes or goes asks again.
    this.#timer = setTimeout(() => void this.#pump().catch(() => {}), AGAIN).unref();
  }

  async #place(waiter: Waiter, rooms: Map<Worker, Promise<Lack>>): Promise<Worker | undefined> {
    const { request, run } = waiter;
    const all = allowed(workersOf(waiter), request);
    const liked = all.filter((worker) => !request.avoid?.(worker));
    const { sound = [], doubtful = [] } = Object.groupBy(liked.length > 0 ? liked : all, (worker) =>
      this.#isInDoubt(worker) ? 'doubtful' : 'sound',
    );
    const reasons: string[] = [];
    const first = await this.#takeOf(sound, run, rooms, reasons);
    if (first.worker) return first.worker;
    // A build that waits for a sound host is better off than one that dies at once on another.
    if (first.there) reasons.push(...doubtful.map(({ label }) => `${label} just failed by a fault of its own`));
    else {
      const { worker } = await this.#takeOf(doubtful, run, rooms, reasons);
      if (worker) return worker;
    }
    if (reasons.length > 0 || waiter.why === '') waiter.why = reasons.join('; ') || 'no worker host is there';
    return undefined;
  }

  /** Takes a slot on the one with the most room; without one, `reasons` gets why each has none. `there`: any is not down. */
  async #takeOf(
    workers: readonly Worker[],
    run: string,
    rooms: Map<Worker, Promise<Lack>>,
    reasons: string[],
  ): Promise<{ worker?: Worker; there: boolean }> {
    const candidates = await Promise.all(
      workers.map(async (worker): Promise<Lack & { worker: Worker; free: number }> => {
        const free = worker.slots - (await this.#slots.held(worker.id));
        if (free <= 0)
          return { worker, free, memory: 0, reason: `${worker.label} holds ${worker.slots} of ${worker.slots}` };
        const asked = rooms.get(worker) ?? this.#ask(worker);
        rooms.set(worker, asked);
        return { worker, free, ...(await asked) };
      }),
    );
    reasons.push(...candidates.flatMap(({ reason }) => reason ?? []));
    const open = candidates.filter(({ reason }) => reason === undefined);
    open.sort((a, b) => b.free - a.free || b.memory - a.memory);
    for (const { worker } of open) {
      if ((await this.#slots.acquire(worker.id, worker.slots, run)) !== undefined) return { worker, there: true };
    }
    return { there: candidates.some(({ down }) => !down) };
  }

  async #ask(worker: Worker): Promise<Lack> {
    const asked = this.#asks.get(worker);
    const answer = asked ?? ask(worker).finally(() => this.#asks.delete(worker));
    this.#asks.set(worker, answer);
    const patience = new AbortController();
    const silent = { memory: 0, reason: `${worker.label} does not answer` };
    const late = sleep(asked ? 0 : PATIENCE, silent, { signal: patience.signal, ref: false }).catch(() => silent);
    const first = await Promise.race([answer, late]);
    patience.abort();
    if (first === silent && !asked) answer.then(() => this.#pump()).catch(() => {});
    return first;
  }

  #isInDoubt(worker: Worker): boolean {
    const since = Math.max(this.#full.get(worker) ?? 0, this.#faulty.get(worker) ?? 0);
    return Date.now() - since < DOUBT;
  }

  #tell(): void {
    for (const [index, waiter] of this.#waiting.entries()) {
      const news = `${index + 1} ${waiter.why}`;
      if (waiter.told === news) continue;
      waiter.told = news;
      waiter.request.onWait(index + 1, waiter.why);
    }
  }
}

/** What a host reasons, in words that name it; and its free memory in MiB. */
interface Lack {
  memory: number;
  reason?: string;
  /** Whether it could not be asked. One whose answer is late is waited for. */
  down?: boolean;
}

async function ask(worker: Worker): Promise<Lack> {
  if (!worker.capacity) return { memory: 0 };
  try {
    const { memory, reason } = await worker.capacity({ signal: AbortSignal.timeout(ASK_LIMIT) });
    return reason === undefined ? { memory } : { memory, reason: `${worker.label} ${reason}` };
  } catch (error) {
    const silent = error instanceof Error && error.name === 'TimeoutError';
    return { memory: 0, down: true, reason: silent ? `${worker.label} does not answer` : messageOf(error) };
  }
}

/** Its workers; none, and why, where a deploy made them unusable. */
function workersOf(waiter: Waiter): Worker[] {
  try {
    return waiter.workers();
  } catch (error) {
    waiter.why = messageOf(error);
    return [];
  }
}

const allowed = (workers: Worker[], { trusted }: RoomRequest): Worker[] =>
  workers.filter((worker) => worker.isolated || worker.acceptsUntrusted || trusted);

const labels = (workers: Worker[]): string => workers.map(({ label }) => label).join(', ');
