import type { SlotTable } from './types.ts';

/** Slots of worker hosts, in memory. */
export class MemorySlots implements SlotTable {
  readonly #hosts = new Map<string, Map<number, string>>();

  async acquire(host: string, slots: number, run: string): Promise<number | undefined> {
    const taken = this.#of(host);
    for (const [slot, owner] of taken) if (owner === run) return slot;
    for (let slot = 0; slot < slots; slot++) {
      if (taken.has(slot)) continue;
      taken.set(slot, run);
      return slot;
    }
    return undefined;
  }

  async release(host: string, run: string): Promise<void> {
    const taken = this.#of(host);
    for (const [slot, owner] of taken) if (owner === run) taken.delete(slot);
  }

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
