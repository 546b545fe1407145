# shellcheck shell=sh
# Opens a draft for files from outside; one of an earlier try is kept as it is. $1: ID.

lock "$1"
ready "$1" && exit "$EXIT_READY"
has_draft "$1" || fresh_draft "$1" || exit 1
mark "$(draft_path "$1")" "$1" '' || exit 1
show "$(draft_path "$1")"
