#!/bin/bash
# Builds the tiny guest on a disk that boots under UEFI only, with systemd-boot as its fallback boot loader and without
# BIOS boot code.
#
#   tiny-uefi.sh OUT.qcow2
#
# Needs what tiny-guest.sh needs, and systemd-boot-efi.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$(dirname "$out")"
work=$(mktemp -d -p "$(dirname "$out")" .uefi.XXXXXX)
trap 'rm -rf "$work"' EXIT
"$here/tiny-guest.sh" "$work/bios.qcow2"
qemu-img convert -O raw "$work/bios.qcow2" "$work/raw"

# Overwrites the BIOS boot code, and turns the first partition into an EFI system partition.
dd if=/dev/zero of="$work/raw" bs=440 count=1 conv=notrunc status=none
sfdisk -q --part-type "$work/raw" 1 ef

export MTOOLS_SKIP_CHECK=1
fat=$work/raw@@1M
options=$(mtype -i "$fat" ::/syslinux.cfg | sed -n 's/^ *APPEND //p')
mdel -i "$fat" ::/syslinux.cfg
mattrib -i "$fat" -r -h -s ::/ldlinux.sys ::/ldlinux.c32
mdel -i "$fat" ::/ldlinux.sys ::/ldlinux.c32
mmd -i "$fat" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i "$fat" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
printf 'timeout 0\n' | mcopy -i "$fat" - ::/loader/loader.conf
printf 'title tiny\nlinux /vmlinuz\ninitrd /initrd.img\noptions %s\n' "$options" | mcopy -i "$fat" - ::/loader/entries/tiny.conf
qemu-img convert -O qcow2 "$work/raw" "$work/qcow2"
mv "$work/qcow2" "$out"
