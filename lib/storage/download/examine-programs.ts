/**
 * POSIX sh that looks into the disk DIR/.download of the format FORMAT. The image is hostile, so qemu's programs have
 * limits of memory (KiB) and time (s).
 */

const LIMITS = `
set -u
LC_ALL=C
export LC_ALL
ulimit -v 4194304
ulimit -t 1800
part=$DIR/.download
`;

/** Prints what `qemu-img info` says as JSON. */
export const INFO = `
${LIMITS}
exec qemu-img info -f "$FORMAT" --output=json "$part"
`;

/**
 * Runs `qemu-img check` on it. INTACT: not empty if the file is known to be complete. DIRTY: not empty if reference counts
 * were still to be written, which qemu repairs whenever it opens such a disk. VIRTUAL_SIZE: bytes.
 *
 *     @check CODE     how it ended
 *     @cut            the file ends before the last of its data does
 *
 * qemu-img check (7.2) misses what is cut off from the last cluster. A file that ends there is read as a whole if clusters
 * are compressed; otherwise the place of its last data is looked up.
 */
export const CHECK = `
${LIMITS}
[ -z "$DIRTY" ] || qemu-img check -q -r all -f "$FORMAT" "$part" >/dev/null 2>&1
# Of an error per cluster, the first three are enough. No file is written: the disk may be full.
checked=$(
  {
    qemu-img check -f "$FORMAT" --output=json "$part" 2>&1
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
number() { printf '%s\\n' "$checked" | sed -n "s/.*\\"$1\\": *\\([0-9][0-9]*\\).*/\\1/p"; }
size=$(stat -c %s "$part")
end=$(number image-end-offset)
[ -n "$end" ] && [ "$size" -lt "$end" ] || exit 0
if [ -n "$(number compressed-clusters)" ]; then
  qemu-img convert -n -f qcow2 --target-image-opts "$part" "driver=null-co,size=$VIRTUAL_SIZE" >/dev/null 2>&1 || {
    echo @cut
    exit 0
  }
fi
qemu-img map -f qcow2 --output=json "$part" |
  sed -n 's/.*"length": \\([0-9]*\\),.*"data": true,.*"offset": \\([0-9]*\\).*/\\1 \\2/p' |
  awk -v size="$size" '$1 + $2 > size { print "@cut"; exit }'
`;

/** Prints LENGTH bytes at OFFSET as the guest sees them, in qemu-io's dump. */
export const READ = `
${LIMITS}
exec qemu-io -r -f "$FORMAT" -c "read -v $OFFSET $LENGTH" "$part"
`;
