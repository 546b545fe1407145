import type { SlotTable } from '../engine/types.ts';
import { noRoom, strangersCode } from '../errors/build.ts';
import type { Worker } from '../worker/types.ts';

interface Waiter {
  run: string;
  workers: Worker[];
  take(worker: Worker): void;
  onWait(position: number): void;
}

/** Finds a host with room for a build; where none has any, builds wait in the order in which they came. */
export class Room {
  readonly #slots: SlotTable;
  readonly #waiting: Waiter[] = [];
  #pumping = false;
  #again = false;

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  /**
   * Takes a slot for the run on the worker with the most room.
   *
   * @param limit milliseconds that it may wait
   * @param trusted whether the code comes from this machine's own Gerrit, so that a worker without walls may run it
   * @param onWait told its place in the queue (from 1) as that changes
   * @throws CiError where no worker may take it or the time is up; the signal's reason where it is aborted
   */
  async acquire(
    run: string,
    workers: Worker[],
    options: { limit: number; trusted: boolean; signal: AbortSignal; onWait(position: number): void },
  ): Promise<Worker> {
    const allowed = workers.filter((worker) => worker.isolated || worker.strangers || options.trusted);
    if (allowed.length === 0) throw strangersCode(workers.map((worker) => worker.label).join(', '));
    const { promise, resolve, reject } = Promise.withResolvers<Worker>();
    const waiter: Waiter = { run, workers: allowed, take: resolve, onWait: options.onWait };
    const leave = (reason: unknown) => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(reason);
      this.#tell();
    };
    const onAbort = () => leave(options.signal.reason);
    if (options.signal.aborted) throw options.signal.reason;
    options.signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => {
      const full = allowed.map((worker) => `${worker.label} holds ${worker.slots} of ${worker.slots}`).join('; ');
      leave(noRoom(Math.round(options.limit / 60_000), full));
    }, options.limit).unref();
    this.#waiting.push(waiter);
    try {
      const [worker] = await Promise.all([promise, this.#pump()]);
      return worker;
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      // Where the slots could not be asked, it waits no longer.
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }

  async release(worker: Worker, run: string): Promise<void> {
    await this.#slots.release(worker.id, run);
    await this.#pump();
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
        for (const waiter of [...this.#waiting]) {
          const worker = await this.#place(waiter);
          if (!worker) continue;
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
  }

  async #place(waiter: Waiter): Promise<Worker | undefined> {
    const free = await Promise.all(
      waiter.workers.map(async (worker) => ({ worker, room: worker.slots - (await this.#slots.held(worker.id)) })),
    );
    free.sort((a, b) => b.room - a.room);
    for (const { worker, room } of free) {
      if (room > 0 && (await this.#slots.acquire(worker.id, worker.slots, waiter.run)) !== undefined) return worker;
    }
    return undefined;
  }

  #tell(): void {
    for (const [index, waiter] of this.#waiting.entries()) waiter.onWait(index + 1);
  }
}
