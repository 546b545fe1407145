import { abortable } from './abort.ts';

/** Lets one at a time work on a key; the others wait in order. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Runs `work` when everyone before it on this key is done, however they ended.
   *
   * @throws the signal's reason where it aborts before the turn came
   */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => done);
    this.#tails.set(key, tail);
    // Forgotten when all are done, not when this one is: who gives up waiting leaves those before it at work.
    void tail.then(() => this.#tails.get(key) === tail && this.#tails.delete(key));
    try {
      await abortable(before, signal);
      return await work();
    } finally {
      release();
    }
  }
}
