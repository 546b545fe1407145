# shellcheck shell=sh

bytes() { od -An -v -tx1 | tr -d ' \n'; }
# Prints what disk-head.ts looks at:
#
#     @size BYTES
#     @head HEX    the first 512 bytes
#     @tail HEX    the last 512 bytes
#     @iso HEX     the 5 bytes at 32769
describe() {
  echo "@size $(stat -c %s "$1")"
  echo "@head $(head -c 512 "$1" | bytes)"
  echo "@tail $(tail -c 512 "$1" | bytes)"
  echo "@iso $(dd if="$1" bs=1 skip=32769 count=5 2>/dev/null | bytes)"
}
