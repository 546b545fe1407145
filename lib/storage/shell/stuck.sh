# shellcheck shell=sh
# Describes what could not be removed and still exists in the lines of removal.sh, and prints a line `record NAME:RECORD` for
# each clone. $1 and so on: clones to describe as well.

for note in "$BOOK"/._stuck/*; do
  [ -e "$note" ] || continue
  name=${note##*/}
  kind=${name%%.*} name=${name#*.}
  if is_there "$kind" "$name"; then tell_stuck "$kind" "$name" "$(cat "$note")"; fi
done
for name; do
  if is_there clone "$name"; then tell_stuck clone "$name" ''; fi
done
cd "$BOOK" 2>/dev/null || exit 0
set -- *
[ ! -e "$1" ] || grep -H '' -- "$@" | sed 's/^/record /'
