#!/bin/bash
# Builds a BIOS-bootable disk from a root folder, without a loop device or a mount: a FAT partition with syslinux and the
# kernel, and an ext4 partition with the root file system.
#
#   make-disk.sh OUT.qcow2 ROOT_FOLDER KERNEL INITRD FAT_MIB ROOT_MIB KERNEL_COMMAND_LINE
set -euo pipefail
out=$1 root=$2 kernel=$3 initrd=$4 fat=$5 size=$6 line=$7
folder=$(mktemp -d -p "$(dirname "$out")" .disk.XXXXXX)
trap 'rm -rf "$folder"' EXIT
raw=$folder/raw

truncate -s $((1 + fat + size + 1))M "$raw"
sfdisk -q "$raw" <<TABLE
label: dos
unit: sectors
start=2048, size=$((fat * 2048)), type=e, bootable
start=$((2048 + fat * 2048)), size=$((size * 2048)), type=83
TABLE
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$raw" bs=440 count=1 conv=notrunc status=none

mkfs.vfat -F 16 -n BOOT -h 2048 --offset 2048 "$raw" $((fat * 1024)) >/dev/null
cat >"$folder/syslinux.cfg" <<CONFIG
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  LINUX /vmlinuz
  INITRD /initrd.img
  APPEND $line
CONFIG
export MTOOLS_SKIP_CHECK=1
mcopy -i "$raw@@1M" "$kernel" ::/vmlinuz
mcopy -i "$raw@@1M" "$initrd" ::/initrd.img
mcopy -i "$raw@@1M" "$folder/syslinux.cfg" ::/syslinux.cfg
syslinux --install --offset $((1 << 20)) "$raw"

mke2fs -q -F -t ext4 -L root -d "$root" -O ^metadata_csum,^64bit -m 0 \
  -E "offset=$(((1 + fat) << 20)),lazy_itable_init=1,lazy_journal_init=1" "$raw" "${size}M" 2>/dev/null
qemu-img convert -O qcow2 "$raw" "$folder/qcow2"
mv "$folder/qcow2" "$out"
