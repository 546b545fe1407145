import { rulesFailed, rulesTaken } from '../../errors/worker.ts';
import type { Host } from '../../ssh/types.ts';

/** Where guests' requests for 169.254.169.254 go on the worker. */
export interface Destination {
  /** 127.0.0.1: a port of the worker's own loopback. 0.0.0.0: whatever address the bridge has. Else as it is. */
  address: string;
  port: number;
}

/**
 * What all programs share. Each of our rules has the comment recheck-ID-PLACE, where ID is the controller's and its worker
 * node's, PLACE the destination's port, with its address before it where that is not 127.0.0.1: what a controller that
 * died leaves is found by it. Letters, digits, dashes and underscores only, so that iptables prints it without quotes.
 *
 * A bridge's route_localnet from before it was touched is kept in a file of /run, which a restart of the worker clears as
 * it does the rules. It is put back with the bridge's last wall, and before the wall falls; also where the walls were
 * flushed by somebody else (firewalld does so when it reloads).
 *
 * The wall is made first, then the value is kept: what is kept of a bridge without a wall any Recheck puts back.
 *
 * take_back ID " PLACE … " takes back all rules of an ID but those of the places.
 */
const COMMON = `
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
set -fu
# One at a time on a worker: a program that was begun goes on where who waits for it gives up, or is cut off.
exec 9</run
flock -w 40 9 || { echo 'another program has been changing its rules for 40 s: look for an iptables that hangs' >&2; exit 1; }
kept=/run/recheck-localnet-
localnet() { echo "/proc/sys/net/ipv4/conf/$1/route_localnet"; }
rules() { iptables -w -t "$1" -S "$2" 2>/dev/null | grep -e '--comment recheck-'; }
walls() { rules raw PREROUTING | grep -F -e " -i $1 "; }
put_back() {
  # One that is empty was not finished: /run was full.
  [ ! -e "$(localnet "$1")" ] || echo "$(grep . "$kept$1" || echo 0)" >"$(localnet "$1")" || exit
  rm -f "$kept$1"
}
gone() {
  rules "$1" "$2" | grep -e "--comment recheck-$id-" | while read -r rule; do
    note=\${rule##*--comment recheck-$id-}
    case $stay in *" \${note%% *} "*) continue ;; esac
    echo "\${rule#-A }"
  done
}
take_back() {
  id=$1 stay=$2
  for place in 'nat PREROUTING' 'filter INPUT'; do
    gone $place | while read -r rule; do
      iptables -w -t "\${place% *}" -D $rule || exit
    done || exit
  done
  gone raw PREROUTING | while read -r rule; do
    bridge=\${rule##* -i }
    bridge=\${bridge%% *}
    if [ "$(walls "$bridge" | wc -l)" -le 1 ] && [ -e "$kept$bridge" ]; then put_back "$bridge"; fi
    iptables -w -t raw -D $rule || exit
  done || exit
  for touched in $(ls /run | sed -n 's/^recheck-localnet-//p'); do
    [ -n "$(walls "$touched")" ] || put_back "$touched"
  done
}
`;

/**
 * Leads the requests of a bridge's guests to a destination. $1: ID; $2: bridge; $3: address; $4: port; $5: place; then
 * all places whose rules stay: what a controller that died or a connection that was lost left leads to where nobody
 * listens.
 *
 * To 127.0.0.1 the kernel leads nothing from outside but with route_localnet=1, which opens the worker's whole loopback
 * to the bridge; so that is closed first, in the raw table: what a guest sends to 127.0.0.0/8 itself is dropped there,
 * and what the nat table rewrites later is not. Exit 10 and the rule where somebody else's rule comes first.
 */
const ADD = `${COMMON}
own=$1 bridge=$2 address=$3 port=$4 mark=$5
shift 4
take_back "$own" " $* "
set -- "$own" "$bridge" "$address" "$port" "$mark"
[ -e "/sys/class/net/$2" ] || exit 0
to_here="-i $2 -d 169.254.169.254/32 -p tcp -m tcp --dport 80"
first=$(iptables -w -t nat -S PREROUTING | grep -F -e ' -i '"$2"' ' | grep -F -e '169.254.169.254/32' | head -n 1)
case $first in
  '' | *"--comment recheck-$1-"*) ;;
  *) echo "$first"; exit 10 ;;
esac
note="-m comment --comment recheck-$1-$5"
put() {
  table=$1 how=$2 chain=$3
  shift 3
  iptables -w -t "$table" -C "$chain" "$@" 2>/dev/null || iptables -w -t "$table" "$how" "$chain" "$@" || exit
}
case $3 in
  127.0.0.1)
    put raw -I PREROUTING -i "$2" -d 127.0.0.0/8 $note -j DROP
    [ -s "$kept$2" ] || cat "$(localnet "$2")" >"$kept$2" || exit
    echo 1 >"$(localnet "$2")" || exit
    put filter -I INPUT -i "$2" -d 127.0.0.1/32 -p tcp -m tcp --dport "$4" $note -j ACCEPT
    put nat -A PREROUTING $to_here $note -j DNAT --to-destination "127.0.0.1:$4"
    ;;
  0.0.0.0)
    put filter -I INPUT -i "$2" -p tcp -m tcp --dport "$4" $note -j ACCEPT
    put nat -A PREROUTING $to_here $note -j REDIRECT --to-ports "$4"
    ;;
  *)
    put filter -I INPUT -i "$2" -d "$3/32" -p tcp -m tcp --dport "$4" $note -j ACCEPT
    put nat -A PREROUTING $to_here $note -j DNAT --to-destination "$3:$4"
    ;;
esac
`;

/** Takes back all rules of $1 (ID) but those of the places that follow. */
const REMOVE = `${COMMON}
id=$1
shift
take_back "$id" " $* "
`;

/** The id as it stands in a rule's comment. */
const word = (id: string): string => id.replace(/[^A-Za-z0-9]/g, '_').slice(0, 64);

const run = async (host: Host, text: string, args: string[], signal: AbortSignal): Promise<void> => {
  const result = await host.run(['sh', '-c', text, 'recheck', ...args], { signal });
  if (result.code === 10) throw rulesTaken(host.label, result.stdout.trim());
  if (result.code !== 0) throw rulesFailed(host.label, result.stderr || result.stdout);
};

/** Two ways may have one port at different addresses. */
const placeOf = ({ address, port }: Destination): string =>
  address === '127.0.0.1' ? `${port}` : `${word(address)}_${port}`;

/**
 * Leads what a bridge's guests ask of 169.254.169.254:80 to a destination on the worker, and takes back the rules of this
 * id that lead to none of `stay`. Fine where it is so already.
 */
export const addRules = (
  host: Host,
  id: string,
  bridge: string,
  destination: Destination,
  stay: readonly Destination[],
  signal: AbortSignal,
): Promise<void> => {
  const { address, port } = destination;
  return run(host, ADD, [word(id), bridge, address, `${port}`, placeOf(destination), ...stay.map(placeOf)], signal);
};

/** Takes back the rules of this id but those to the destinations given, a dead controller's too. Other rules are left alone. */
export const removeRules = (host: Host, id: string, stay: readonly Destination[], signal: AbortSignal): Promise<void> =>
  run(host, REMOVE, [word(id), ...stay.map(placeOf)], signal);
