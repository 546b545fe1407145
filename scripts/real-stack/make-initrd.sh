#!/bin/bash
# Builds a small initial RAM disk with busybox and the drivers of a virtio guest. It boots the system on /dev/vda2.
#
#   make-initrd.sh /lib/modules/VERSION OUT
set -euo pipefail
modules=$1 out=$2
drivers=(
  drivers/virtio/{virtio_ring,virtio,virtio_pci_modern_dev,virtio_pci_legacy_dev,virtio_pci}
  drivers/block/virtio_blk
  net/core/failover drivers/net/{net_failover,virtio_net}
  drivers/char/hw_random/virtio-rng
  drivers/acpi/button drivers/input/evdev # the power button
)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,dev,proc,sys,newroot,drivers}
cp /bin/busybox "$tree/bin/busybox"
ln -s busybox "$tree/bin/sh"
for driver in "${drivers[@]}"; do cp "$modules/kernel/$driver.ko" "$tree/drivers/"; done
cat >"$tree/init" <<INIT
#!/bin/sh
PATH=/bin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
for driver in ${drivers[*]##*/}; do busybox insmod /drivers/\$driver.ko; done
tries=0
while ! busybox mount -t ext4 /dev/vda2 /newroot 2>/dev/null; do
  tries=\$((tries + 1))
  [ \$tries -le 50 ] || { echo "there is no /dev/vda2"; exec busybox poweroff -f; }
  busybox sleep 0.1
done
busybox mount -o move /dev /newroot/dev
busybox umount /proc
exec busybox switch_root /newroot /sbin/init
INIT
chmod +x "$tree/init"
(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$out"
