# shellcheck shell=sh
# Removes a clone. $1: its name. A clone without a record is not Recheck's.

lock "$1"
[ -e "$BOOK/$1" ] || exit 0
remove clone "$1" drop_clone "$1" || exit "$EXIT_STUCK"
rm -f "$BOOK/$1"
