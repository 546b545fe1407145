# shellcheck shell=sh
# Runs `qemu-img check`. INTACT: not empty if the file is known to be complete. DIRTY: not empty if reference counts were
# still to be written, which qemu repairs whenever it opens such a disk. VIRTUAL_SIZE: bytes.
#
#     @check CODE     its exit code
#     @cut            the file ends before the last of its data does
#
# qemu-img check (7.2) does not notice if the last cluster is cut off. A file that ends there is read completely if
# clusters are compressed; otherwise the offset of its last data is looked up.

[ -z "$DIRTY" ] || qemu-img check -q -r all -f "$FORMAT" "$PART" >/dev/null 2>&1
# Three lines are enough of an error per cluster. No file is written: the disk may be full.
checked=$(
  {
    qemu-img check -f "$FORMAT" --output=json "$PART" 2>&1
    echo "@check $?"
  } | awk '/^([{}]|    "|@check )/ { print; next } said++ < 3 { print }'
)
code=$(printf '%s\n' "$checked" | sed -n 's/^@check //p')
echo "@check $code"
case $code in
  0 | 3) ;;
  *)
    printf '%s\n' "$checked" | grep -v '^[@{} ]'
    exit 0
    ;;
esac
[ "$FORMAT" = qcow2 ] && [ -z "$INTACT" ] || exit 0
number() { printf '%s\n' "$checked" | sed -n "s/.*\"$1\": *\([0-9][0-9]*\).*/\1/p"; }
size=$(stat -c %s "$PART")
end=$(number image-end-offset)
[ -n "$end" ] && [ "$size" -lt "$end" ] || exit 0
if [ -n "$(number compressed-clusters)" ]; then
  qemu-img convert -n -f qcow2 --target-image-opts "$PART" "driver=null-co,size=$VIRTUAL_SIZE" >/dev/null 2>&1 || {
    echo @cut
    exit 0
  }
fi
qemu-img map -f qcow2 --output=json "$PART" |
  sed -n 's/.*"length": \([0-9]*\),.*"data": true,.*"offset": \([0-9]*\).*/\1 \2/p' |
  awk -v size="$size" '$1 + $2 > size { print "@cut"; exit }'
