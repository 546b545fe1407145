import type { Readable } from 'node:stream';
import { releaseFailed } from '../errors/build.ts';
import { type CiError, messageOf } from '../errors/ci-error.ts';
import type { Guest } from '../guests/guest.ts';
import type { GuestView } from '../model/build.ts';
import type { MetadataLink, Worker } from '../worker/types.ts';

/** Limit for each step of a guest's release: reading its console, stopping its domain, removing its clone. */
const RELEASE_TIMEOUT_MS = 60_000;

/** Everything that a build holds; released in an order that leaves nothing behind. */
export class BuildResources {
  worker: Worker | undefined;
  /** Set while a slot is being taken, so that two clones at once share one slot. */
  placing: Promise<Worker> | undefined;
  /** The metadata link for its guests, once open. */
  metadata: MetadataLink | undefined;
  readonly guests = new Map<string, Guest>();
  /** Its guests as they were before their release: the build's page shows where it ran. */
  #past: { guests: Record<string, GuestView>; manualCommands: string[] } = { guests: {}, manualCommands: [] };
  /** Undone after the guests, the newest first: the metadata link, then the slot, which other builds may wait for. */
  readonly #returns: { what: string; undo: () => Promise<void> }[] = [];

  /** Registers something to be undone when the build ends, such as freeing its slot. */
  onRelease(what: string, undo: () => Promise<void>): void {
    this.#returns.push({ what, undo });
  }

  /** Returns the guests that the build holds now, by name, as `msg.build.guests` shows them. */
  guestViews(): Record<string, GuestView> {
    const views: Record<string, GuestView> = {};
    for (const guest of this.guests.values()) {
      views[guest.name] = {
        host: guest.worker.label,
        image: guest.image.name,
        clone: guest.domain,
        ...(guest.booted ? { domain: guest.domain } : {}),
        ...(guest.address ? { address: guest.address.host } : {}),
      };
    }
    return views;
  }

  /** Returns the guests that the build has or had, and the commands to boot them manually. */
  story(): { guests: Record<string, GuestView>; manualCommands: string[] } {
    const manualCommands = [...this.guests.values()].flatMap(
      (guest) => guest.worker.manualCommands?.(guest.image, guest) ?? [],
    );
    return {
      guests: { ...this.guestViews(), ...this.#past.guests },
      manualCommands: [...new Set([...this.#past.manualCommands, ...manualCommands])],
    };
  }

  /**
   * Releases everything: closes SSH, saves consoles, removes domains and clones, and finally frees the metadata link and
   * the slot. What could not be removed is kept, and the next call tries it again. Returns the failures; never throws.
   */
  async release(saveConsole: (guest: string, console: Readable) => Promise<void>): Promise<CiError[]> {
    this.#past = this.story();
    const faults: CiError[] = [];
    const attempt = async (what: string, undo: () => Promise<void>): Promise<boolean> => {
      try {
        await undo();
        return true;
      } catch (error) {
        faults.push(releaseFailed(what, messageOf(error)));
        return false;
      }
    };
    await Promise.all(
      [...this.guests.values()].map(async (guest) => {
        const gone = await attempt(`Guest ${guest.domain} on ${guest.worker.label}`, () =>
          this.#end(guest, saveConsole),
        );
        if (gone) this.guests.delete(guest.name);
      }),
    );
    // The slot is freed even if a guest is left: the failure was recorded above, and removal will be retried.
    for (const each of this.#returns.splice(0).reverse())
      if (!(await attempt(each.what, each.undo))) this.#returns.unshift(each);
    return faults;
  }

  async #end(guest: Guest, saveConsole: (guest: string, console: Readable) => Promise<void>): Promise<void> {
    const { worker, domain } = guest;
    const limit = () => ({ signal: AbortSignal.timeout(RELEASE_TIMEOUT_MS) });
    guest.released = true;
    guest.host?.close();
    guest.host = undefined;
    if (guest.booted) {
      // A console that cannot be read must not keep the guest alive.
      await worker.hypervisor
        .console(domain, limit())
        .then((console) => (console ? saveConsole(guest.name, console) : undefined))
        .catch(() => undefined);
      await worker.hypervisor.stop(domain, limit());
      guest.booted = false;
    }
    await worker.storage.remove(domain, limit());
  }
}
