# shellcheck shell=sh
# Unpacks DIR/.download in place with the program TOOL. MAX_MIB: the largest size of the result. Written in chunks, so
# that a few kilobytes that unpack to terabytes do not fill the file system; zeros take no space.
#
#     @unpacked MIB
#     @size …          and more, as describe.sh prints it

set -u
umask 022
LC_ALL=C
export LC_ALL
chunk_mib=16
part=$DIR/.download out=$DIR/.unpacked error=$DIR/.error result=$DIR/.result
command -v "$TOOL" >/dev/null || exit "$EXIT_NO_TOOL"
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
    [ "$at" -le "$MAX_MIB" ] || exit "$EXIT_TOO_LARGE"
    has_space "$chunk_mib" || exit "$EXIT_FULL"
    said=$(dd of="$out" bs=1M iflag=fullblock count="$chunk_mib" seek="$at" conv=sparse,notrunc,fdatasync 2>&1) || {
      printf '%s\n' "$said"
      exit "$EXIT_WRITE"
    }
    at=$((at + chunk_mib))
    size=$(stat -c %s "$out")
    echo "@unpacked $((size / 1048576))"
    [ "$size" -ge "$((at * 1048576))" ] || break
  done
  [ "$size" -le "$((MAX_MIB * 1048576))" ] || exit "$EXIT_TOO_LARGE"
} || exit
case $TOOL:$(cat "$result") in
  # gzip warns of zeros or other bytes after its end.
  *:0 | gzip:2) ;;
  *)
    cat "$error"
    exit "$EXIT_DAMAGED"
    ;;
esac
mv -f "$out" "$part" || exit "$EXIT_WRITE"
# It is no longer the server's file, so a later download must not resume it.
rm -f "$DIR/.validator"
describe "$part"
