# shellcheck shell=sh
# Prints the bridge whose alias is $2; creates it if it is missing, as $3 and the first free number up to $4. The
# kernel keeps the alias of an interface, so a bridge names its owner as long as it exists. The worker has no address
# on it, not even an IPv6 link-local one. Preceded by bridge-rule.sh.
# $1: libvirt URI (unused)

let_through() {
  [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] || return 0
  has_rule "$1" || rule "$1" -I
}
for file in /sys/class/net/*/ifalias; do
  if [ "$(cat "$file" 2>/dev/null)" = "$2" ]; then
    dir=${file%/ifalias}
    name=${dir##*/}
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
