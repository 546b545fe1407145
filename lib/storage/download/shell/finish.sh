# shellcheck shell=sh
# Turns DIR/.download into the disk DIR/vda.qcow2. FORMAT: its format; SIZE: bytes to grow it to, or empty.

umask 022
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
part=$DIR/.download
if [ "$FORMAT" = qcow2 ]; then
  [ -z "$SIZE" ] || qemu-img resize -q -f qcow2 "$part" "$SIZE" || exit 1
  mv -f "$part" "$DIR/vda.qcow2" || exit 1
else
  trap 'rm -f "$DIR/.converted"' EXIT
  qemu-img convert -f "$FORMAT" -O qcow2 "$part" "$DIR/.converted" || exit 1
  [ -z "$SIZE" ] || qemu-img resize -q -f qcow2 "$DIR/.converted" "$SIZE" || exit 1
  mv -f "$DIR/.converted" "$DIR/vda.qcow2" || exit 1
fi
