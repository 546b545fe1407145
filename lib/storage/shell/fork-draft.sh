# shellcheck shell=sh
# Makes a draft as a clone of another image. $1: ID; $2: ID of the parent.

lock "$1"
ready "$1" && exit "$EXIT_READY"
ready "$2" || exit "$EXIT_NO_IMAGE"
remove draft "$1" drop_draft "$1" || exit "$EXIT_STUCK"
made_of=$(generation "$2") && fork_draft "$2" "$1" && mark "$(draft_path "$1")" "$1" "$2" "$made_of" || exit 1
show "$(draft_path "$1")"
