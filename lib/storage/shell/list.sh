# shellcheck shell=sh
# Prints a line `name:record` for each clone.

cd "$BOOK" 2>/dev/null || exit 0
set -- *
[ -e "$1" ] || exit 0
grep -H '' -- "$@"
