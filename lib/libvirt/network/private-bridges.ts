import { badBridgeName, bridgeFailed } from '../../errors/libvirt-network.ts';
import { sameOwner } from '../../worker/owner.ts';
import type { Owner } from '../../worker/types.ts';
import type { Virsh } from '../virsh.ts';

/** How many bridges of one name are tried. */
const MOST = 999;

/**
 * What both programs share. Where br_netfilter hands what goes over a bridge to iptables (Docker loads it, and drops what
 * is forwarded), a rule of its own lets through what stays on the bridge $1; its comment is recheck-bridge-NAME.
 */
const RULE = `
rule() {
  iptables -w "$2" FORWARD -i "$1" -o "$1" -m comment --comment "recheck-bridge-$1" -j ACCEPT
}
has_rule() { rule "$1" -C 2>/dev/null; }
`;

/**
 * Gives the bridge whose alias is $2, making it where it is missing: $3 and the first number that is free, up to $4. The
 * kernel keeps an interface's alias, so a bridge tells whose it is as long as it is there. The worker itself gets no
 * address on it, not even IPv6's own. $1: libvirt's URI (not used).
 */
const ENSURE = `${RULE}
let_through() {
  [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] || return 0
  has_rule "$1" || rule "$1" -I
}
for file in /sys/class/net/*/ifalias; do
  if [ "$(cat "$file" 2>/dev/null)" = "$2" ]; then
    dir=\${file%/ifalias}
    name=\${dir##*/}
    let_through "$name" || exit
    echo "$name"
    exit
  fi
done
number=0
while :; do
  name=$3$number
  if [ ! -e "/sys/class/net/$name" ]; then
    said=$(ip link add name "$name" type bridge 2>&1) && break
    case $said in *exists*) ;; *) echo "$said" >&2; exit 1 ;; esac
  fi
  number=$((number + 1))
  [ "$number" -le "$4" ] || { echo "all of $3""0 to $3$4 are taken" >&2; exit 1; }
done
ip link set dev "$name" alias "$2" || exit
let_through "$name" || exit
[ ! -e "/proc/sys/net/ipv6/conf/$name" ] || echo 1 >"/proc/sys/net/ipv6/conf/$name/disable_ipv6"
ip link set dev "$name" up || exit
echo "$name"
`;

/**
 * Removes the bridges with alias $2 … that no guest hangs on, each after its rule: what is left half-way is found by the
 * bridge. $1: libvirt's URI (not used).
 */
const REMOVE = `${RULE}
shift
for alias; do
  for file in /sys/class/net/*/ifalias; do
    [ "$(cat "$file" 2>/dev/null)" = "$alias" ] || continue
    dir=\${file%/ifalias}
    [ -z "$(ls "$dir/brif" 2>/dev/null)" ] || continue
    name=\${dir##*/}
    if has_rule "$name"; then rule "$name" -D || ! has_rule "$name" || exit; fi
    ip link delete dev "$name" || [ ! -e "$dir" ] || exit
  done
done
`;

/** Prints "NAME ALIAS" of each bridge that has an alias. */
const LIST = `
for file in /sys/class/net/*/ifalias; do
  dir=\${file%/ifalias}
  alias=$(cat "$file" 2>/dev/null)
  [ -z "$alias" ] || [ ! -d "$dir/bridge" ] || echo "\${dir##*/} $alias"
done
`;

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
