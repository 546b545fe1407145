import { LOADERS, UEFI_MACHINE } from '../domain/host-hardware.ts';

/** Programs that a worker must have, and the Debian and Ubuntu packages that bring them. */
export const PACKAGES: Readonly<Record<string, string>> = {
  virsh: 'libvirt-clients libvirt-daemon-system',
  'qemu-img': 'qemu-utils',
  curl: 'curl',
  iptables: 'iptables',
  ip: 'iproute2',
  bridge: 'iproute2',
  btrfs: 'btrfs-progs',
  zfs: 'zfsutils-linux',
  awk: 'mawk',
  sha256sum: 'coreutils',
  base64: 'coreutils',
  timeout: 'coreutils',
  setsid: 'util-linux',
  flock: 'util-linux',
  dhcp_release: 'dnsmasq-utils',
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
};

/** Those that guests run without, and what is worse then. */
export const DISPENSABLE: Readonly<Record<string, string>> = {
  dhcp_release: 'the leases of guests that are gone stay for an hour, and many guests use up a network’s addresses',
  xz: 'images that are published as .xz cannot be unpacked',
  zstd: 'images that are published as .zst cannot be unpacked',
  bzip2: 'images that are published as .bz2 cannot be unpacked',
};

/**
 * Prints what a worker is and has, a fact a line, in one round trip. It changes nothing but for a folder in the storage's
 * place that is removed at once. $1: libvirt's URI; $2: kind of storage; $3: its place; then the programs to look for.
 *
 *     user NAME                 shell PATH                system NAME
 *     command NAME WHAT IT SAYS      missing NAME
 *     libvirt VERSIONS          nolibvirt WHY             emulator PATH                  qemu-user NAME
 *     arch ARCHITECTURE         cpu FLAGS                 emulates LEVEL             uefi chosen|FILE|none
 *     network STATE NAME        clid none|options|defined NAME             dnsmasq VERSION    bridge NAME
 *     place missing FS          place unmounted           place kind FS                  place free BLOCKS ALL SIZE
 *     place root PATH           place closed PATH         place refused WHY              place reflink yes|no
 *     norules TABLE WHY         nosysctl                  room …                         (lines of /proc)
 */
export const LOOK = `
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
uri=$1 kind=$2 place=$3
shift 3
has() { command -v "$1" >/dev/null 2>&1; }
line() { tr '\\n' ' ' | head -c 500; }
within() { if has timeout; then timeout 12 "$@"; else "$@"; fi; }
echo "user $(id -un)"
echo "shell \${SHELL-}"
echo "system $(sed -n 's/^PRETTY_NAME="\\{0,1\\}\\([^"]*\\).*/\\1/p' /etc/os-release 2>/dev/null)"
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
# Whether a network that runs serves DHCP for IPv4 by client ids, and what its definition has of options for dnsmasq.
look_at_client_ids() {
  running=$(within virsh -q -c "$uri" net-dumpxml "$1" 2>/dev/null) || return
  case $running in *"value='dhcp-ignore-clid'"*) return ;; esac
  printf '%s\\n' "$running" |
    awk '/^  <ip / { v6 = /family=.ipv6/ } /^    <dhcp>/ && !v6 { found = 1 } END { exit !found }' || return
  case $(within virsh -q -c "$uri" net-dumpxml --inactive "$1" 2>/dev/null) in
    *"value='dhcp-ignore-clid'"*) how=defined ;;
    *'<dnsmasq:options>'*) how=options ;;
    *) how=none ;;
  esac
  echo "clid $how $1"
}
case $(uname -m) in
  aarch64 | arm64) arch=aarch64 machine=${UEFI_MACHINE.aarch64} loaders='${LOADERS.aarch64.map(({ code }) => code).join(' ')}' ;;
  *) arch=x86_64 machine=${UEFI_MACHINE.x86_64} loaders='${LOADERS.x86_64.map(({ code }) => code).join(' ')}' ;;
esac
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
    echo "dnsmasq $(dnsmasq --version 2>/dev/null | sed -n '1s/^Dnsmasq version \\([^ ]*\\).*/\\1/p')"
    caps=$(within virsh -q -c "$uri" domcapabilities --virttype qemu --arch "$arch" --machine "$machine" 2>/dev/null)
    echo "emulator $(printf '%s\\n' "$caps" | sed -n 's/.*<path>\\([^<]*\\)<.*/\\1/p' | head -n 1)"
    # Nehalem is what x86-64-v2 was made after.
    printf '%s\\n' "$caps" | grep -q "<model usable='yes'[^>]*>Nehalem<" && echo 'emulates x86-64-v2'
    uefi=none
    for file in $loaders; do
      [ ! -e "$file" ] || { uefi=$file; break; }
    done
    printf '%s\\n' "$caps" | sed -n "/<enum name='firmware'>/,/<\\/enum>/p" | grep -q '<value>efi<' && uefi=chosen
    echo "uefi $uefi"
  else
    echo "nolibvirt $(printf %s "$said" | line)"
  fi
fi
echo "qemu-user $(sed -n 's/^ *user *= *"+\\{0,1\\}\\([^"]*\\)".*/\\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)"
for dir in /sys/class/net/*/bridge; do
  [ -d "$dir" ] || continue
  dir=\${dir%/bridge}
  echo "bridge \${dir##*/}"
done
look_at_place() {
  root=\${place%/}
  if [ "$kind" = zfs ]; then
    has zfs || return
    root=$(within zfs get -H -o value mountpoint "$place" 2>/dev/null) || { echo "place missing"; return; }
    case $root in /*) ;; *) echo "place unmounted"; return ;; esac
    [ "$(within zfs get -H -o value mounted "$place" 2>/dev/null)" = yes ] || { echo "place unmounted"; return; }
  fi
  if [ ! -d "$root" ]; then
    above=$root
    while [ -n "$above" ] && [ ! -d "$above" ]; do above=\${above%/*}; done
    echo "place missing $(stat -f -c %T "\${above:-/}")"
    return
  fi
  echo "place root $root"
  echo "place kind $(stat -f -c %T "$root")"
  echo "place free $(stat -f -c '%a %b %S' "$root")"
  above=$root
  while [ -n "$above" ]; do
    [ -n "$(find "$above" -prune -perm -001 2>/dev/null)" ] || echo "place closed $above"
    above=\${above%/*}
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
sed 's/^/room /' /proc/meminfo /proc/loadavg
exit 0
`;

/** What the program found, by the first word of its lines; the rest of each line. */
export type Facts = (name: string) => string[];

/** Reads what LOOK printed. */
export function readFacts(text: string): Facts {
  const facts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [name = '', ...rest] = line.split(' ');
    facts.set(name, [...(facts.get(name) ?? []), rest.join(' ').trim()]);
  }
  return (name) => facts.get(name) ?? [];
}
