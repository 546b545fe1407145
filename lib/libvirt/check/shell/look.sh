# shellcheck shell=sh
# Prints what a worker is and has, one fact per line. Changes nothing, except for a folder in the storage that is
# removed at once.
# $1: libvirt URI; $2: kind of storage; $3: its path or dataset; $4: machine type and UEFI firmware files for x86_64;
# $5: the same for aarch64; then the programs to look for
#
#     user NAME                  shell PATH               system NAME
#     command NAME OUTPUT        missing NAME
#     libvirt VERSIONS           nolibvirt REASON         emulator PATH                  qemu-user NAME
#     arch ARCHITECTURE          cpu FLAGS                emulates LEVEL                 uefi chosen|FILE|none
#     network STATE NAME         clid none|options|defined NAME                          dnsmasq VERSION     bridge NAME
#     place missing FS           place unmounted          place kind FS                  place free BLOCKS ALL SIZE
#     place root PATH            place closed PATH        place refused REASON           place reflink yes|no
#     norules TABLE REASON       nosysctl                 capacity ...                   (lines of /proc)

LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
uri=$1 kind=$2 place=$3 x86_64=$4 aarch64=$5
shift 5
has() { command -v "$1" >/dev/null 2>&1; }
line() { tr '\n' ' ' | head -c 500; }
within() { if has timeout; then timeout 12 "$@"; else "$@"; fi; }
echo "user $(id -un)"
echo "shell ${SHELL-}"
echo "system $(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\).*/\1/p' /etc/os-release 2>/dev/null)"
for name; do
  if ! has "$name"; then
    echo "missing $name"
    continue
  fi
  case $name in
    ip) said=$(ip -V 2>/dev/null) ;;
    virsh | qemu-img | curl | iptables | btrfs) said=$("$name" --version 2>/dev/null | head -n 1) ;;
    *) said= ;;
  esac
  echo "command $name $said"
done
# Prints whether a running network serves IPv4 DHCP by client ids, and which dnsmasq options its definition has.
look_at_client_ids() {
  running=$(within virsh -q -c "$uri" net-dumpxml "$1" 2>/dev/null) || return
  case $running in *"value='dhcp-ignore-clid'"*) return ;; esac
  printf '%s\n' "$running" |
    awk '/^  <ip / { v6 = /family=.ipv6/ } /^    <dhcp>/ && !v6 { found = 1 } END { exit !found }' || return
  case $(within virsh -q -c "$uri" net-dumpxml --inactive "$1" 2>/dev/null) in
    *"value='dhcp-ignore-clid'"*) how=defined ;;
    *'<dnsmasq:options>'*) how=options ;;
    *) how=none ;;
  esac
  echo "clid $how $1"
}
case $(uname -m) in
  aarch64 | arm64) arch=aarch64 firmware=$aarch64 ;;
  *) arch=x86_64 firmware=$x86_64 ;;
esac
machine=${firmware%% *} loaders=${firmware#* }
echo "arch $arch"
echo "cpu $(sed -n '/^flags/{s/.*: *//p;q;}' /proc/cpuinfo)"
if has virsh; then
  if said=$(within virsh -q -c "$uri" version 2>&1); then
    echo "libvirt $(printf %s "$said" | line)"
    within virsh -q -c "$uri" net-list --all 2>/dev/null | while read -r name state rest; do
      [ -n "$name" ] || continue
      echo "network $state $name"
      [ "$state" != active ] || look_at_client_ids "$name" </dev/null
    done
    echo "dnsmasq $(dnsmasq --version 2>/dev/null | sed -n '1s/^Dnsmasq version \([^ ]*\).*/\1/p')"
    caps=$(within virsh -q -c "$uri" domcapabilities --virttype qemu --arch "$arch" --machine "$machine" 2>/dev/null)
    echo "emulator $(printf '%s\n' "$caps" | sed -n 's/.*<path>\([^<]*\)<.*/\1/p' | head -n 1)"
    # x86-64-v2 is modelled on Nehalem.
    printf '%s\n' "$caps" | grep -q "<model usable='yes'[^>]*>Nehalem<" && echo 'emulates x86-64-v2'
    uefi=none
    for file in $loaders; do
      [ ! -e "$file" ] || { uefi=$file; break; }
    done
    printf '%s\n' "$caps" | sed -n "/<enum name='firmware'>/,/<\/enum>/p" | grep -q '<value>efi<' && uefi=chosen
    echo "uefi $uefi"
  else
    echo "nolibvirt $(printf %s "$said" | line)"
  fi
fi
echo "qemu-user $(sed -n 's/^ *user *= *"+\{0,1\}\([^"]*\)".*/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)"
for dir in /sys/class/net/*/bridge; do
  [ -d "$dir" ] || continue
  dir=${dir%/bridge}
  echo "bridge ${dir##*/}"
done
look_at_place() {
  root=${place%/}
  if [ "$kind" = zfs ]; then
    has zfs || return
    root=$(within zfs get -H -o value mountpoint "$place" 2>/dev/null) || { echo "place missing"; return; }
    case $root in /*) ;; *) echo "place unmounted"; return ;; esac
    [ "$(within zfs get -H -o value mounted "$place" 2>/dev/null)" = yes ] || { echo "place unmounted"; return; }
  fi
  if [ ! -d "$root" ]; then
    above=$root
    while [ -n "$above" ] && [ ! -d "$above" ]; do above=${above%/*}; done
    echo "place missing $(stat -f -c %T "${above:-/}")"
    return
  fi
  echo "place root $root"
  echo "place kind $(stat -f -c %T "$root")"
  echo "place free $(stat -f -c '%a %b %S' "$root")"
  above=$root
  while [ -n "$above" ]; do
    [ -n "$(find "$above" -prune -perm -001 2>/dev/null)" ] || echo "place closed $above"
    above=${above%/*}
  done
  probe=$(mktemp -d "$root/.recheck-check.XXXXXX" 2>&1) || { echo "place refused $(printf %s "$probe" | line)"; return; }
  trap 'rm -rf "$probe"' EXIT
  trap 'exit 125' HUP INT TERM PIPE
  echo probe >"$probe/a"
  if cp --reflink=always "$probe/a" "$probe/b" 2>/dev/null; then echo "place reflink yes"; else echo "place reflink no"; fi
}
look_at_place
if has iptables; then
  for table in raw nat filter; do
    said=$(iptables -w 5 -t "$table" -S 2>&1) || echo "norules $table $(printf %s "$said" | line)"
  done
fi
[ -w /proc/sys/net/ipv4/conf/all/route_localnet ] || echo nosysctl
sed 's/^/capacity /' /proc/meminfo /proc/loadavg
exit 0
