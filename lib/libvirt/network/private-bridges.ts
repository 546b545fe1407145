import { badBridgeName, bridgeFailed } from '../../errors/libvirt-network.ts';
import { program } from '../../util/program.ts';
import { sameOwner } from '../../worker/owner.ts';
import type { Owner } from '../../worker/types.ts';
import type { Virsh } from '../virsh.ts';

/** Highest number of a bridge of one name. */
const MAX_BRIDGE_NUMBER = 999;

const RULE = program(import.meta.url, 'bridge-rule');

const ENSURE = RULE + program(import.meta.url, 'ensure-bridge');

const REMOVE = RULE + program(import.meta.url, 'remove-bridges');

const LIST = program(import.meta.url, 'list-bridges');

interface PrivateBridge {
  name: string;
  alias: string;
  owner: Owner;
}

const ALIAS_PREFIX = 'recheck';
/** Linux allows 255 bytes; the longest alias, of an image build's bridge, has fewer than 200. */
const aliasOf = ({ controller, build, attempt }: Owner, source: string): string =>
  [ALIAS_PREFIX, controller, build, attempt, source].join(' ');

/** Returns whether a network name requests a private bridge: `name%`. */
export const isPrivate = (source: string): boolean => source.endsWith('%');

/** Bridges of single builds on a worker: created with the build's first guest there, removed with its last. */
export class PrivateBridges {
  readonly #virsh: Virsh;
  /** Pending creations by alias, which a build's guests share as they boot together. */
  readonly #creating = new Map<string, Promise<string>>();

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** Creates the build's bridge of that name (`name%`) if it is missing. @returns its name on the worker */
  async ensure(owner: Owner, source: string, signal: AbortSignal): Promise<string> {
    const stem = source.slice(0, -1);
    // Linux allows 15 characters, and the number has up to 3.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/.test(stem)) throw badBridgeName(stem);
    const alias = aliasOf(owner, source);
    let creating = this.#creating.get(alias);
    if (!creating) {
      creating = this.#make(alias, stem, signal).finally(() => this.#creating.delete(alias));
      this.#creating.set(alias, creating);
    }
    return creating;
  }

  /** Removes the build's bridges that have no guests. */
  async release(owner: Owner, signal: AbortSignal): Promise<void> {
    const mine = (await this.list(signal)).filter((bridge) => sameOwner(bridge.owner, owner));
    if (mine.length === 0) return;
    const what = `the removal of ${mine.map(({ name }) => name).join(', ')}`;
    const aliases = mine.map(({ alias }) => alias);
    const answer = await this.#virsh.askProgram(REMOVE, aliases, { signal, what });
    if (answer.code !== 0) throw bridgeFailed(this.#virsh.label, mine[0]!.name, answer.stderr);
  }

  /** Lists the private bridges on the worker, also of other Rechecks. */
  async list(signal: AbortSignal): Promise<PrivateBridge[]> {
    const text = await this.#virsh.program(LIST, [], { signal, what: 'the list of private bridges' });
    const found: PrivateBridge[] = [];
    for (const line of text.split('\n')) {
      const [, name, alias, controller, build, attempt] = /^(\S+) (recheck (\S+) (\S+) (\d+) \S+)$/.exec(line) ?? [];
      if (!name) continue;
      const owner = { controller: controller!, build: build!, attempt: Number(attempt) };
      found.push({ name, alias: alias!, owner });
    }
    return found;
  }

  async #make(alias: string, stem: string, signal: AbortSignal): Promise<string> {
    const args = [alias, stem, `${MAX_BRIDGE_NUMBER}`];
    // It runs to its end, so that the removal of the build's bridges finds it.
    const settings = { signal, what: `the private bridge ${stem}`, toTheEnd: true };
    const answer = await this.#virsh.askProgram(ENSURE, args, settings);
    if (answer.code !== 0) throw bridgeFailed(this.#virsh.label, stem, answer.stderr);
    return answer.stdout.trim();
  }
}
