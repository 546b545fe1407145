#!/bin/bash
# Runs a command in a sandbox of its own: private network, mount and process namespaces with their own libvirtd, virbr0,
# dnsmasq, iptables and a btrfs at $STACK/ci. When the command ends, or this script is killed, everything is removed.
#
#   [STACK_KVM=1] sandbox.sh node --test test/stack/guest.test.ts
#
# As root. Needs: btrfs-progs qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients dnsmasq-base iptables
# iproute2 openssh-server seabios ovmf ipxe-qemu (apt-get install --no-install-recommends).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --inside ]; then
  exec unshare --net --mount --pid --fork --kill-child=KILL --propagation private --mount-proc "$0" --inside "$@"
fi
shift

STACK=$(mktemp -d -t recheck-stack.XXXXXX)
export STACK LIBVIRT_DEFAULT_URI=qemu:///system
mkdir -p "$STACK"/{ci,libvirt/{lib/{qemu,dnsmasq,images,boot},log/qemu,etc/qemu/networks}}

# The namespace's /sys shows only its own interfaces and no cgroups, which libvirt then does not use.
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/sshd /run/libvirt
mount --bind "$STACK/libvirt/lib" /var/lib/libvirt
mount --bind "$STACK/libvirt/log" /var/log/libvirt
mount --bind "$STACK/libvirt/etc" /etc/libvirt
# zpool.cache must not outlive the sandbox.
for folder in /etc/zfs /var/lib/zfs; do
  [ ! -d "$folder" ] || mount -t tmpfs tmpfs "$folder"
done
# Guests are emulated unless KVM is asked for: on some machines it works only partly.
[ ! -e /dev/kvm ] || [ -n "${STACK_KVM:-}" ] || mount --bind /dev/null /dev/kvm
ip link set lo up

# stdio_handler: virtlogd is not running. All users are root here, and no security driver is available.
cat >"$STACK/libvirt/etc/qemu.conf" <<'CONF'
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = [ ]
namespaces = [ ]
CONF
: >"$STACK/libvirt/etc/libvirtd.conf"

# Before libvirtd, which sees only what is mounted when it starts.
truncate -s "${BTRFS_SIZE:-8G}" "$STACK/btrfs.img"
mkfs.btrfs -q -f "$STACK/btrfs.img" >/dev/null
mount -o loop "$STACK/btrfs.img" "$STACK/ci"

"$here/libvirtd.sh" start
virsh -q net-define "$here/network.xml" >/dev/null
virsh -q net-start default >/dev/null

code=0
"$@" || code=$?

virsh -q list --name | while read -r domain; do
  [ -z "$domain" ] || virsh -q destroy "$domain" >/dev/null || true
done || true
umount "$STACK/ci" || true
"$here/libvirtd.sh" stop || true
umount -l /var/lib/libvirt /var/log/libvirt /etc/libvirt || true
mountpoint -q "$STACK/ci" || rm -rf --one-file-system "$STACK"
exit "$code"
