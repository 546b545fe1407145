import { setTimeout as sleep } from 'node:timers/promises';
import { addressShared } from '../../errors/libvirt-network.ts';
import type { Health } from '../domain/health.ts';
import type { GuestInterface } from '../domain/xml.ts';
import type { Addresses } from './addresses.ts';

/** Between two lookups of a guest's address. */
const LOOKUP_INTERVAL_MS = 100;
/** Every so many lookups, libvirt is asked whether the guest runs, and for leases of a guest that is in no table. */
const THOROUGH_LOOKUP_INTERVAL_COUNT = 45;
/** Two guests may share an address for this long, since one may be about to get another. */
const SHARED_LIMIT_MS = 5_000;

/** What `GuestAddresses` needs to know about its worker. */
export interface GuestAddressesOptions {
  /** Name of the worker in messages. */
  label: string;
  addresses: Pick<Addresses, 'of' | 'sharer'>;
  health: Pick<Health, 'mustBoot' | 'condition'>;
  /** Called with each new address of a guest. */
  onAddress(address: string): void;
}

/** Waits for the addresses of one worker's guests, and remembers which guest was last seen at which. */
export class GuestAddresses {
  readonly #options: GuestAddressesOptions;
  /** By domain, from the last lookup; the most likely one first. */
  readonly #last = new Map<string, string[]>();
  /** Since when another guest has a guest's address, by performance.now(). */
  readonly #sharedSince = new Map<string, number>();

  constructor(options: GuestAddressesOptions) {
    this.#options = options;
  }

  /**
   * Waits until a guest has an address on one of its interfaces.
   *
   * @param interfaces returns the guest's interfaces; throws once it was stopped
   * @returns all that it may have, the most likely one first
   * @throws CiError if the guest cannot go on, or another guest has its address
   */
  async wait(domain: string, interfaces: () => readonly GuestInterface[], signal: AbortSignal): Promise<string[]> {
    const { addresses, health } = this.#options;
    for (let lookups = 1; ; lookups++) {
      const thorough = lookups % THOROUGH_LOOKUP_INTERVAL_COUNT === 0;
      const found: string[] = [];
      for (const one of interfaces()) {
        if (!one.private) found.push(...(await addresses.of(one.mac, one.network, thorough, signal)));
      }
      this.#note(domain, found);
      await this.#mustBeAlone(domain, signal);
      if (found.length > 0) return found;
      if (thorough) await health.mustBoot(domain, signal);
      await sleep(LOOKUP_INTERVAL_MS, undefined, { signal });
    }
  }

  /** Returns the guest that was last seen at this address. */
  lastAt(address: string): string | undefined {
    for (const [domain, addresses] of this.#last) if (addresses.includes(address)) return domain;
    return undefined;
  }

  /** Forgets a guest that was stopped. */
  forget(domain: string): void {
    this.#last.delete(domain);
    this.#sharedSince.delete(domain);
  }

  #note(domain: string, found: string[]): void {
    const before = this.#last.get(domain) ?? [];
    for (const address of found.filter((one) => !before.includes(one))) {
      // A guest that has powered off may have had it.
      for (const [name, addresses] of this.#last) {
        if (name !== domain)
          this.#last.set(
            name,
            addresses.filter((one) => one !== address),
          );
      }
      this.#options.onAddress(address);
    }
    this.#last.set(domain, found);
  }

  async #mustBeAlone(domain: string, signal: AbortSignal): Promise<void> {
    const { addresses, health, label } = this.#options;
    const shared = addresses.sharer(domain);
    if (!shared) {
      this.#sharedSince.delete(domain);
      return;
    }
    const since = this.#sharedSince.get(domain) ?? performance.now();
    this.#sharedSince.set(domain, since);
    if (performance.now() - since < SHARED_LIMIT_MS) return;
    if ((await health.condition(shared.other, signal)).is === 'gone') return;
    throw addressShared(label, domain, shared.other, shared.address);
  }
}
