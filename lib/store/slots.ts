/** Records which builds hold the slots of which worker host. */
export class Slots {
  readonly #hosts = new Map<string, Map<number, string>>();

  /**
   * Takes a slot on the host. Returns the same slot to a build that already holds one.
   *
   * @param slots number of slots that the host has now
   * @returns the slot's number, from 0; undefined if none is free
   */
  async acquire(host: string, slots: number, build: string): Promise<number | undefined> {
    const taken = this.#of(host);
    for (const [slot, owner] of taken) if (owner === build) return slot;
    for (let slot = 0; slot < slots; slot++) {
      if (taken.has(slot)) continue;
      taken.set(slot, build);
      return slot;
    }
    return undefined;
  }

  /** Frees the build's slot on the host; idempotent. */
  async release(host: string, build: string): Promise<void> {
    const taken = this.#of(host);
    for (const [slot, owner] of taken) if (owner === build) taken.delete(slot);
  }

  /** Counts the slots of the host that are taken. */
  async held(host: string): Promise<number> {
    return this.#of(host).size;
  }

  #of(host: string): Map<number, string> {
    let taken = this.#hosts.get(host);
    if (!taken) {
      taken = new Map();
      this.#hosts.set(host, taken);
    }
    return taken;
  }
}
