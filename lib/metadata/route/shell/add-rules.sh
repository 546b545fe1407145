# shellcheck shell=sh
# Routes the metadata requests of a bridge's guests to a destination. First removes all rules of the ID except those
# of the places: what a dead controller or a lost connection left leads to where nobody listens. Preceded by rules.sh.
# $1: ID; $2: bridge; $3: address; $4: port; $5: place; then all places whose rules stay
#
# The kernel routes nothing from outside to 127.0.0.1 unless route_localnet=1, which opens the whole loopback of the
# worker to the bridge. So that is closed first, in the raw table: it drops what a guest sends to 127.0.0.0/8, and not
# what the nat table rewrites later. Exits with 10 and prints the rule if a foreign rule comes first.
# shellcheck disable=SC2086 # a rule is split into its words on purpose; rules.sh sets -f
# shellcheck disable=SC2154 # $kept is set by rules.sh

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
