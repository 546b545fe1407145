/** Keys that are remembered: more than a Gerrit sends within the period that a replay covers. */
const MAX_KEYS_COUNT = 50_000;

/** Remembers the keys of started builds, so that a replayed or duplicate event starts none of them again. */
export class TriggersSeen {
  readonly #keys = new Set<string>();

  /** Records a key. @returns false if it was recorded before */
  async admit(key: string): Promise<boolean> {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > MAX_KEYS_COUNT) this.#keys.delete(this.#keys.values().next().value!);
    return true;
  }
}
