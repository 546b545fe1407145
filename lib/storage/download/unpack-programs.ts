import { CHUNK_MIB, DESCRIBE, HAS_SPACE } from '../programs/file.ts';
import { FETCH_EXIT } from './fetch-programs.ts';

/** Bytes of a checksum file that are read. */
export const MAX_SUMS_BYTES = 4 * 2 ** 20;

/** Seconds for one try to read a checksum file. */
const SUMS_TIMEOUT_S = 60;

/**
 * Unpacks DIR/.download in its place with the program TOOL. MAX_MIB: the most that it may become. Written bit by bit, so
 * that a few kilobytes that unpack to terabytes do not fill the file system; zeros take no space.
 *
 *     @unpacked MIB
 *     @size …          and more, as DESCRIBE prints it
 */
export const UNPACK = `
set -u
umask 022
LC_ALL=C
export LC_ALL
part=$DIR/.download out=$DIR/.unpacked error=$DIR/.error result=$DIR/.result
${HAS_SPACE}${DESCRIBE}
command -v "$TOOL" >/dev/null || exit ${FETCH_EXIT.noTool}
trap 'rm -f "$out" "$result" "$error"' EXIT
rm -f "$out"
unpack() {
  case $TOOL in
    # A dictionary of 4 GiB would take as much memory; zstd has a limit of its own.
    xz) xz --decompress --stdout --format=xz --memlimit-decompress=1GiB ;;
    zstd) zstd --decompress --stdout --quiet ;;
    gzip | bzip2) "$TOOL" -dc ;;
  esac
}
{
  unpack <"$part" 2>"$error"
  echo $? >"$result"
} | {
  at=0
  while :; do
    [ "$at" -le "$MAX_MIB" ] || exit ${FETCH_EXIT.tooLarge}
    has_space ${CHUNK_MIB} || exit ${FETCH_EXIT.full}
    said=$(dd of="$out" bs=1M iflag=fullblock count=${CHUNK_MIB} seek="$at" conv=sparse,notrunc,fdatasync 2>&1) || {
      printf '%s\\n' "$said"
      exit ${FETCH_EXIT.write}
    }
    at=$((at + ${CHUNK_MIB}))
    size=$(stat -c %s "$out")
    echo "@unpacked $((size / 1048576))"
    [ "$size" -ge "$((at * 1048576))" ] || break
  done
  [ "$size" -le "$((MAX_MIB * 1048576))" ] || exit ${FETCH_EXIT.tooLarge}
} || exit
case $TOOL:$(cat "$result") in
  # gzip warns of zeros or other bytes after its end.
  *:0 | gzip:2) ;;
  *)
    cat "$error"
    exit ${FETCH_EXIT.damaged}
    ;;
esac
mv -f "$out" "$part" || exit ${FETCH_EXIT.write}
# It is not the server's file any more, so a later download must not continue it.
rm -f "$DIR/.validator"
describe "$part"
`;

/**
 * Prints the checksum file at URL, or FROM of this machine (URL empty): at most one byte more than MAX_SUMS_BYTES. If it
 * cannot, what curl said and the server's last answer (`@code N`).
 */
export const SUMS = `
set -u
umask 077
LC_ALL=C
export LC_ALL
file=$DIR/.sums error=$DIR/.error result=$DIR/.result
trap 'rm -f "$file" "$error" "$result"' EXIT
if [ -z "$URL" ]; then
  [ -f "$FROM" ] || exit ${FETCH_EXIT.noFile}
  exec head -c ${MAX_SUMS_BYTES + 1} -- "$FROM"
fi
command -v curl >/dev/null || exit ${FETCH_EXIT.noCurl}
try=0
while :; do
  try=$((try + 1))
  {
    curl --silent --show-error --fail --location --globoff --proto '=http,https' --connect-timeout 20 \\
      --max-time ${SUMS_TIMEOUT_S} --write-out '%{stderr}@code %{http_code}\\n' --url "$URL" 2>"$error"
    echo $? >"$result"
  } | head -c ${MAX_SUMS_BYTES + 1} >"$file"
  code=$(sed -n 's/^@code //p' "$error")
  [ "$(cat "$result")" != 0 ] && [ "$(stat -c %s "$file")" -le ${MAX_SUMS_BYTES} ] || break
  case $code in
    408 | 425 | 429) ;;
    4*) cat "$error"; exit ${FETCH_EXIT.refused} ;;
  esac
  [ "$try" -lt 3 ] || { cat "$error"; exit ${FETCH_EXIT.gaveUp}; }
  sleep "$try"
done
cat "$file"
`;
