import type { Readable } from 'node:stream';
import { releaseFailed } from '../errors/build.ts';
import { type CiError, messageOf } from '../errors/ci-error.ts';
import type { Guest } from '../guests/guest.ts';
import type { GuestView } from '../model/build.ts';
import type { MetadataLink, Worker } from '../worker/types.ts';

/** Milliseconds that ending one thing may take. */
const RELEASE_LIMIT = 60_000;

/** Everything that a build holds, and its release in the order in which nothing is left behind. */
export class BuildResources {
  worker: Worker | undefined;
  /** While a slot is being taken: two clones at once take one. */
  placing: Promise<Worker> | undefined;
  /** The way to its guests' metadata, once it was opened. */
  metadata: MetadataLink | undefined;
  readonly guests = new Map<string, Guest>();
  /** Its guests as they were before they were given back: a build's page tells where it ran. */
  #past: { guests: Record<string, GuestView>; manualCommands: string[] } = { guests: {}, manualCommands: [] };
  /** Given back last, the newest first: the metadata link before the slot, for which another build may wait. */
  readonly #returns: { what: string; undo: () => Promise<void> }[] = [];

  /** Notes something to be undone when the build ends. */
  onRelease(what: string, undo: () => Promise<void>): void {
    this.#returns.push({ what, undo });
  }

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

  /** Where the build runs or, once all was given back, where it ran; with the commands that boot the same guests by hand. */
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
   * Gives everything back: SSH, consoles into the logs, domains, clones, and last the metadata link and the slot. What
   * could not be removed stays noted, so that another call tries it again.
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
    // The slot goes back even where something is left: it is named above and tried again.
    for (const each of this.#returns.splice(0).reverse())
      if (!(await attempt(each.what, each.undo))) this.#returns.unshift(each);
    return faults;
  }

  async #end(guest: Guest, saveConsole: (guest: string, console: Readable) => Promise<void>): Promise<void> {
    const { worker, domain } = guest;
    const limit = () => ({ signal: AbortSignal.timeout(RELEASE_LIMIT) });
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
