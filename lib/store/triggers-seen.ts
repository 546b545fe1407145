/** How many keys are remembered: more than a Gerrit sends in the time that a replayed stream reaches back. */
const MAX_KEYS_COUNT = 50_000;

/** The keys of builds that were started, so that a replayed or doubled event starts none again. */
export class TriggersSeen {
  readonly #keys = new Set<string>();

  /** Notes a key. @returns false if it was noted before */
  async admit(key: string): Promise<boolean> {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > MAX_KEYS_COUNT) this.#keys.delete(this.#keys.values().next().value!);
    return true;
  }
}
