import { abortable } from './abort.ts';

/** Runs work one at a time per key; the others wait in order. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Runs `work` once all earlier work on this key has ended, successfully or not.
   *
   * @throws the signal's reason if it aborts before then
   */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => done);
    this.#tails.set(key, tail);
    // Removed when all are done, not when this one is: a caller that gives up leaves earlier work running.
    void tail.then(() => this.#tails.get(key) === tail && this.#tails.delete(key));
    try {
      await abortable(before, signal);
      return await work();
    } finally {
      release();
    }
  }
}
