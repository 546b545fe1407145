#!/bin/bash
# Builds a cloud-like Debian 12 guest with the real cloud-init, from the machine's own package sources: 390 MB, 1024 MiB of
# memory, a login some 20 s after its start under emulation. About 40 s, most of it for the packages, which are kept in
# CACHE for the next one.
#
#   [DATASOURCES='Ec2, OpenStack'] [CACHE=FOLDER] debian-guest.sh OUT.qcow2
#
# DATASOURCES is cloud-init's datasource_list; without it cloud-init finds out by DMI, as in a stock image. Needs:
# mmdebstrap busybox-static syslinux syslinux-common mtools dosfstools fdisk cpio qemu-utils.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${CACHE:-$(dirname "$out")/debian-packages}
sources=${SOURCES:-/etc/apt/sources.list.d/debian.sources}
[ -e "$sources" ] || sources=/etc/apt/sources.list
packages=systemd-sysv,udev,dbus,linux-image-cloud-amd64,cloud-init,openssh-server,iproute2,sudo,procps,netbase,curl,git
mkdir -p "$(dirname "$out")" "$(dirname "$cache")"

if [ "$(cat "$cache/done" 2>/dev/null)" != "$packages" ]; then
  rm -rf "$cache"
  mkdir -p "$cache"
  # The initial RAM disk is made below: its own would take 20 s.
  mmdebstrap --mode=root --variant=minbase --skip=check/qemu \
    --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && printf "MODULES=list\nRESUME=none\n" >"$1/etc/initramfs-tools/conf.d/guest.conf"' \
    bookworm "$cache/root" "$sources"
  echo "$packages" >"$cache/done"
fi

work=$(mktemp -d -p "$(dirname "$out")" .debian.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root
cp -a "$cache/root" "$root"

# As an image must be: no identity of its own.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*
echo localhost >"$root/etc/hostname"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf '/dev/vda2 / ext4 defaults,noatime 0 0\n' >"$root/etc/fstab"
rm -f "$root/etc/resolv.conf"
echo 'nameserver 192.168.122.1' >"$root/etc/resolv.conf"

units=$root/etc/systemd/system
mkdir -p "$root/etc/systemd/network" "$units/multi-user.target.wants" "$units/network-online.target.wants" \
  "$units/systemd-networkd-wait-online.service.d" "$root/etc/systemd/journald.conf.d"
cat >"$root/etc/systemd/network/20-dhcp.network" <<'CONF'
[Match]
Name=eth0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
ClientIdentifier=mac
CONF
ln -sf /lib/systemd/system/systemd-networkd.service "$units/multi-user.target.wants/"
ln -sf /lib/systemd/system/systemd-networkd-wait-online.service "$units/network-online.target.wants/"
cat >"$units/systemd-networkd-wait-online.service.d/any.conf" <<'CONF'
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60
CONF
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/volatile.conf"

cat >"$root/etc/cloud/cloud.cfg.d/90_guest.cfg" <<'CONF'
network: {config: disabled}
ssh_genkeytypes: [ed25519]
datasource:
  Ec2: {strict_id: false, metadata_urls: ['http://169.254.169.254'], timeout: 5, max_wait: 60}
  OpenStack: {metadata_urls: ['http://169.254.169.254'], timeout: 5, max_wait: 60, apply_network_config: false}
CONF
[ -z "${DATASOURCES:-}" ] || echo "datasource_list: [ $DATASOURCES ]" >>"$root/etc/cloud/cloud.cfg.d/90_guest.cfg"

# What costs seconds under emulation and is of no use here.
sed -i '/^ *- locale$/d' "$root/etc/cloud/cloud.cfg"
rm -f "$units"/timers.target.wants/*
for unit in systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-journal-flush.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  modprobe@drm.service modprobe@configfs.service modprobe@fuse.service modprobe@efi_pstore.service \
  e2scrub_reap.service systemd-pstore.service systemd-binfmt.service getty@tty1.service serial-getty@ttyS0.service; do
  ln -sf /dev/null "$units/$unit"
done

kernel=$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -1)
"$here/make-initrd.sh" "$root/lib/modules/$kernel" "$work/initrd"
mv "$root/boot/vmlinuz-$kernel" "$work/vmlinuz"
rm -rf "$root"/boot/* "$root"/initrd.img* "$root"/vmlinuz*
(cd "$root/lib/modules/$kernel/kernel" && rm -rf sound drivers/{gpu,infiniband,net/ethernet,scsi,usb,media,staging})

"$here/make-disk.sh" "$out" "$root" "$work/vmlinuz" "$work/initrd" 40 1200 \
  'root=/dev/vda2 rootfstype=ext4 ro console=ttyS0 quiet mitigations=off nokaslr net.ifnames=0 ipv6.disable=1 tsc=reliable no_timer_check random.trust_cpu=on systemd.show_status=no audit=0'
