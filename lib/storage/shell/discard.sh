# shellcheck shell=sh
# Removes a draft. $1: ID.

lock "$1"
remove draft "$1" drop_draft "$1" || exit "$EXIT_STUCK"
