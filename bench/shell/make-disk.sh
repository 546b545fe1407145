# shellcheck shell=sh
# Creates $1/vda.raw, a sparse disk of $2 bytes with $3 blocks of 1 MiB of random data spread over it.
mkdir "$1"
truncate -s "$2" "$1/vda.raw"
at=0
head -c 1048576 /dev/urandom >"$1.block"
while [ "$at" -lt "$3" ]; do
  dd if="$1.block" of="$1/vda.raw" bs=1M seek=$((at * ($2 / 1048576) / $3)) conv=notrunc 2>/dev/null
  at=$((at + 1))
done
rm "$1.block"
