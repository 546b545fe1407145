# shellcheck shell=sh
# Removes images and drafts. $1, $2 and so on: pairs of `image` or `draft` and an ID. Prints a line `gone ID` for each
# that is removed. One that a clone, draft or image of Recheck was cloned from is left for later.

code=0
while [ $# -gt 1 ]; do
  lock "$2"
  if ! in_use "$1" "$2"; then
    if remove "$1" "$2" "drop_$1" "$2"; then printf 'gone %s\n' "$2"; else code=$EXIT_STUCK; fi
  fi
  shift 2
done
exit "$code"
