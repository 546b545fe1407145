# shellcheck shell=sh
# Prints three parts, separated by a line "--": the end of QEMU's log, the disks for which libvirt reports an error,
# and the error of a write into the clone's folder (empty if it succeeds). QEMU only tells libvirt whether space was
# missing; the write tells a quota from an I/O error.
# $1: libvirt URI; $2: domain; $3: folder of the clone; $4: maximum bytes of the log

tail -c "$4" "/var/log/libvirt/qemu/$2.log" 2>/dev/null
printf '\n--\n'
virsh -q -c "$1" domblkerror --domain "$2" 2>/dev/null
printf '\n--\n'
[ -d "$3" ] || exit 0
said=$(dd if=/dev/zero of="$3/.probe" bs=65536 count=16 conv=fsync 2>&1) || printf '%s\n' "$said"
rm -f "$3/.probe"
exit 0
