import { randomUUID } from 'node:crypto';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { foreignGuest, guestEnded, guestNotBooted, guestNotEnded, guestNotStarted } from '../../errors/worker.ts';
import { generateKeyPair } from '../../ssh/keys.ts';
import { checkName } from '../../storage/names.ts';
import { abortable } from '../../util/abort.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';
import { removeTree } from '../../util/remove-tree.ts';
import { sameOwner } from '../../worker/owner.ts';
import type { BootedGuest, CallOptions, GuestAddress, GuestSpec, Hypervisor, Owner } from '../../worker/types.ts';
import { guarded } from './guarded.ts';
import { endLeftovers, GuestProcess } from './guest-process.ts';
import { freeLoopback } from './loopback.ts';
import { Records } from './records.ts';

/** What is stored about a guest before it starts. */
interface GuestRecord {
  owner: Owner;
  /** In the environment of each of its processes, so that a later controller can find and end them. */
  mark: string;
}

/** A running guest. */
interface SandboxGuest {
  owner: Owner;
  process: GuestProcess;
  /** Public half of its SSH host key. */
  hostKey: string;
}

/** Time limits in milliseconds. */
export interface SandboxTimes {
  /** For a guest to read its metadata. */
  metadata: number;
  /** For which a user-data script may delay SSH. */
  script: number;
}

/**
 * Runs guests as processes of this machine, each with a loopback address of its own:
 *
 *     <root>/guests/<domain>.json         its owner; written first, removed last
 *     <root>/guests/<domain>/console.log  its serial console
 *     <root>/guests/<domain>/tmp/         its temporary files
 *
 * A guest dies with its controller. The guests of a crashed controller are listed from the records, and their processes
 * are identified by a mark unique to one boot, so that no other process is ever ended.
 */
export class SandboxHypervisor implements Hypervisor {
  readonly #folder: string;
  readonly #records: Records<GuestRecord>;
  readonly #times: SandboxTimes;
  readonly #guests = new Map<string, SandboxGuest>();
  readonly #addresses = new Set<string>();
  readonly #lock = new KeyedLock();

  constructor(root: string, times: SandboxTimes) {
    this.#folder = join(root, 'guests');
    this.#records = new Records(this.#folder);
    this.#times = times;
  }

  async boot(spec: GuestSpec, { signal }: CallOptions): Promise<BootedGuest> {
    const domain = checkName('a guest', spec.domain);
    return this.#lock.run(domain, signal, () =>
      guarded(`The boot of guest ${domain}`, signal, async () => {
        const owner = this.#guests.get(domain)?.owner;
        if (owner && !sameOwner(owner, spec.owner)) throw foreignGuest(domain, owner.build, owner.attempt);
        if (!owner) {
          await this.#clear(domain, signal);
          await this.#start(spec, signal);
        }
        return { domain };
      }),
    );
  }

  async addresses(domain: string, { signal }: CallOptions): Promise<GuestAddress[]> {
    const guest = this.#guests.get(domain);
    if (!guest) throw guestNotBooted(domain);
    const port = await abortable(guest.process.port, signal);
    if (!guest.process.alive) throw guestEnded(domain);
    return [{ host: guest.process.config.address, port }];
  }

  async domainAt(address: string, { signal }: CallOptions): Promise<string | undefined> {
    signal.throwIfAborted();
    return this.#at(address)?.process.config.domain;
  }

  /** Returns the domain and host key of the guest at an address. */
  identityAt(address: string): { domain: string; hostKey: string } | undefined {
    const guest = this.#at(address);
    return guest && { domain: guest.process.config.domain, hostKey: guest.hostKey };
  }

  async console(domain: string, { signal }: CallOptions): Promise<Readable | undefined> {
    return guarded(`The console of guest ${checkName('a guest', domain)}`, signal, async () => {
      signal.throwIfAborted();
      try {
        return (await open(this.#consoleFile(domain))).createReadStream();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  /** Stops the guest: it has no disk to flush. */
  async shutdown(domain: string, options: CallOptions): Promise<void> {
    await this.stop(domain, options);
  }

  async stop(domain: string, { signal }: CallOptions): Promise<void> {
    checkName('a guest', domain);
    await this.#lock.run(domain, signal, () =>
      guarded(`The end of guest ${domain}`, signal, () => this.#clear(domain, signal)),
    );
  }

  async list({ signal }: CallOptions): Promise<{ domain: string; owner: Owner }[]> {
    return guarded('The list of guests', signal, async () => {
      signal.throwIfAborted();
      return (await this.#records.list()).map(({ name, value }) => ({ domain: name, owner: value.owner }));
    });
  }

  async #start(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    const { domain, clone } = spec;
    // The name helps people who inspect a process's environment.
    const mark = `${domain}/${randomUUID()}`;
    const tmp = join(this.#folder, domain, 'tmp');
    const { privateKey, publicKey } = generateKeyPair(domain);
    const home = await stat(clone.path).catch((error) => {
      throw guestNotStarted(domain, error);
    });
    if (!home.isDirectory()) throw guestNotStarted(domain, `its clone ${clone.path} is not a folder`);
    const address = await freeLoopback(this.#addresses);
    try {
      await this.#records.write(domain, { owner: spec.owner, mark });
      await mkdir(tmp, { recursive: true });
      signal.throwIfAborted();
      const process = await GuestProcess.start(
        {
          domain,
          mark,
          address,
          home: clone.path,
          tmp,
          ...(spec.metadataUrl === undefined ? {} : { metadataUrl: spec.metadataUrl }),
          metadataTimeout: this.#times.metadata,
          scriptTimeout: this.#times.script,
          hostKey: privateKey,
        },
        this.#consoleFile(domain),
      );
      this.#guests.set(domain, { owner: spec.owner, process, hostKey: publicKey });
    } catch (error) {
      this.#addresses.delete(address);
      throw error;
    }
  }

  /** Ends a guest, of this controller or an earlier one, and removes its record. */
  async #clear(domain: string, signal: AbortSignal): Promise<void> {
    const guest = this.#guests.get(domain);
    const record = guest ? undefined : await this.#records.read(domain);
    const left = guest ? await guest.process.stop() : record ? await endLeftovers(record.mark) : [];
    if (left.length > 0) throw guestNotEnded(domain, left);
    await removeTree(join(this.#folder, domain), signal);
    await this.#records.remove(domain);
    if (!guest) return;
    this.#addresses.delete(guest.process.config.address);
    this.#guests.delete(domain);
  }

  #at(address: string): SandboxGuest | undefined {
    for (const guest of this.#guests.values()) {
      if (guest.process.config.address === address && guest.process.alive) return guest;
    }
    return undefined;
  }

  #consoleFile(domain: string): string {
    return join(this.#folder, domain, 'console.log');
  }
}
