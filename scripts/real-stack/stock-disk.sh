#!/bin/bash
# Makes a disk of a root folder as Debian's cloud images have it, with no loop device and no mount: GPT, a root that can
# grow to the disk's end (p1), GRUB for BIOS (p14) and for UEFI (p15).
#
#   stock-disk.sh ROOT_FOLDER OUT.qcow2
#
# ROOT_FOLDER has a kernel, an initial RAM disk and GRUB (grub-pc-bin, grub-efi-amd64-bin), and is changed. Needs:
# dosfstools fdisk mtools e2fsprogs qemu-utils.
set -euo pipefail
root=$1 out=$2
work=$(mktemp -d -p "$(dirname "$out")" .disk.XXXXXX)
trap 'rm -rf "$work"' EXIT
uuid() { cat /proc/sys/kernel/random/uuid; }
part_root=$(uuid) part_esp=$(uuid) fs_root=$(uuid)
# In sectors of 512 bytes; the root's size in MiB.
bios_at=2048 bios_size=6144 esp_at=8192 esp_size=253952 root_at=262144 root_size=1400

mkdir -p "$root/boot/efi" "$root/boot/grub"
cat >"$root/etc/fstab" <<FSTAB
PARTUUID=$part_root / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1
PARTUUID=$part_esp /boot/efi vfat defaults 0 0
FSTAB
kernel=$(basename "$root"/boot/vmlinuz-*)
cat >"$root/boot/grub/grub.cfg" <<GRUB
set timeout=0
menuentry 'Debian GNU/Linux' {
  linux /boot/$kernel root=PARTUUID=$part_root ro console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0
  initrd /boot/initrd.img-${kernel#vmlinuz-}
}
GRUB
cat >"$root/run/find-root.cfg" <<GRUB
search.fs_uuid $fs_root root
configfile (\$root)/boot/grub/grub.cfg
GRUB
grub() {
  chroot "$root" grub-mkimage -O "$1" -c /run/find-root.cfg -p /boot/grub -o /run/grub.img \
    part_gpt ext2 fat normal linux search_fs_uuid configfile "${@:3}"
  mv "$root/run/grub.img" "$work/$2"
}
grub i386-pc core.img biosdisk
grub x86_64-efi bootx64.efi
rm "$root/run/find-root.cfg"
cp "$root/usr/lib/grub/i386-pc/boot.img" "$work/boot.img"

disk=$work/disk
truncate -s $((root_at / 2048 + root_size + 1))M "$disk"
sfdisk -q "$disk" <<TABLE
label: gpt
unit: sectors
p14 : start=$bios_at, size=$bios_size, type=21686148-6449-6E6F-744E-656564454649
p15 : start=$esp_at, size=$esp_size, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$part_esp
p1 : start=$root_at, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$part_root
TABLE
mkfs.vfat -F 16 -h $esp_at --offset $esp_at "$disk" $((esp_size / 2)) >/dev/null 2>&1
export MTOOLS_SKIP_CHECK=1
mmd -i "$disk@@$((esp_at * 512))" ::/EFI ::/EFI/BOOT
mcopy -i "$disk@@$((esp_at * 512))" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mke2fs -q -F -t ext4 -U "$fs_root" -d "$root" -O ^metadata_csum_seed -m 1 \
  -E "offset=$((root_at * 512)),lazy_itable_init=1,lazy_journal_init=1" "$disk" "${root_size}M" 2>/dev/null

# What grub-bios-setup writes, which asks for a device: boot.img is told where core.img begins (include/grub/i386/pc/boot.h,
# kernel_sector at 0x5c) and to keep the BIOS's drive number (drive check at 0x66); core.img's first sector where the rest
# of it is (a block list at the sector's end).
number() { # VALUE BYTES: little-endian
  local value=$1 text=
  for _ in $(seq "$2"); do
    text+=$(printf '\\x%02x' $((value & 255)))
    value=$((value >> 8))
  done
  printf '%b' "$text"
}
put() { dd of="$work/$1" bs=1 seek=$(($2)) conv=notrunc status=none; }
number $bios_at 8 | put boot.img 0x5c
printf '\x90\x90' | put boot.img 0x66
number $((bios_at + 1)) 8 | put core.img 0x1f4
number $((($(stat -c %s "$work/core.img") + 511) / 512 - 1)) 2 | put core.img 0x1fc
dd if="$work/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$disk" bs=512 seek=$bios_at conv=notrunc status=none

qemu-img convert -O qcow2 "$disk" "$work/qcow2"
mv "$work/qcow2" "$out"
