/** Functions in POSIX sh that the programs which fetch and unpack a file share. */

/** MiB that are written at once when a file is unpacked. */
export const CHUNK_MIB = 16;

/**
 * `has_space N`: whether the file system of DIR has room for N MiB more. A twentieth of it, at most 1 GiB, stays free:
 * the guests' disks are there too.
 */
export const HAS_SPACE = `
has_space() {
  stat -f -c '%a %b %S' "$DIR" | awk -v more="$1" '
    { keep = $2 * $3 / 20 / 1048576; if (keep > 1024) keep = 1024; exit !($1 * $3 / 1048576 >= keep + more) }'
}
`;

/**
 * `describe FILE` prints what disk-head.ts looks at:
 *
 *     @size BYTES
 *     @head HEX    the first 512 bytes
 *     @tail HEX    the last 512 bytes
 *     @iso HEX     the 5 bytes at 32769
 */
export const DESCRIBE = `
bytes() { od -An -v -tx1 | tr -d ' \\n'; }
describe() {
  echo "@size $(stat -c %s "$1")"
  echo "@head $(head -c 512 "$1" | bytes)"
  echo "@tail $(tail -c 512 "$1" | bytes)"
  echo "@iso $(dd if="$1" bs=1 skip=32769 count=5 2>/dev/null | bytes)"
}
`;
