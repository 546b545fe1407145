import { badBridgeName, bridgeFailed } from '../../errors/libvirt.ts';
import { program } from '../../util/program.ts';
import { sameOwner } from '../../worker/owner.ts';
import type { Owner } from '../../worker/types.ts';
import type { Virsh } from '../virsh.ts';

/** How many bridges of one name are tried. */
const MOST = 999;

const RULE = program(import.meta.url, 'bridge-rule');

const ENSURE = RULE + program(import.meta.url, 'ensure-bridge');

const REMOVE = RULE + program(import.meta.url, 'remove-bridges');

const LIST = program(import.meta.url, 'list-bridges');

interface PrivateBridge {
  name: string;
  alias: string;
  owner: Owner;
}

const MARK = 'recheck';
/** Linux takes 255 bytes; the longest, of a bridge that an image is made on, has fewer than 200. */
const aliasOf = ({ controller, build, attempt }: Owner, source: string): string =>
  [MARK, controller, build, attempt, source].join(' ');

/** Whether a network's name asks for a private bridge: `name%`. */
export const isPrivate = (source: string): boolean => source.endsWith('%');

/** The bridges that a build has for itself on a worker: made with its first guest there, removed with its last. */
export class PrivateBridges {
  readonly #virsh: Virsh;
  /** Being made, by alias: a build's guests boot at once, and share it. */
  readonly #making = new Map<string, Promise<string>>();

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** The build's bridge of that name (`name%`), made where it is missing. @returns its name on the worker */
  async ensure(owner: Owner, source: string, signal: AbortSignal): Promise<string> {
    const stem = source.slice(0, -1);
    // Linux takes 15 characters, of which the number has up to 3.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/.test(stem)) throw badBridgeName(stem);
    const alias = aliasOf(owner, source);
    let making = this.#making.get(alias);
    if (!making) {
      making = this.#make(alias, stem, signal).finally(() => this.#making.delete(alias));
      this.#making.set(alias, making);
    }
    return making;
  }

  /** Removes the build's bridges that no guest hangs on any more. */
  async release(owner: Owner, signal: AbortSignal): Promise<void> {
    const mine = (await this.list(signal)).filter((bridge) => sameOwner(bridge.owner, owner));
    if (mine.length === 0) return;
    const what = `the removal of ${mine.map(({ name }) => name).join(', ')}`;
    const aliases = mine.map(({ alias }) => alias);
    const answer = await this.#virsh.askProgram(REMOVE, aliases, { signal, what });
    if (answer.code !== 0) throw bridgeFailed(this.#virsh.label, mine[0]!.name, answer.stderr);
  }

  /** All builds' bridges on the worker, of another Recheck too. */
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
    const args = [alias, stem, `${MOST}`];
    // One that is begun is waited for: what removes a build's bridges must find it.
    const settings = { signal, what: `the private bridge ${stem}`, toTheEnd: true };
    const answer = await this.#virsh.askProgram(ENSURE, args, settings);
    if (answer.code !== 0) throw bridgeFailed(this.#virsh.label, stem, answer.stderr);
    return answer.stdout.trim();
  }
}
