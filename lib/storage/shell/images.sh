# shellcheck shell=sh
# Prints a line `image|draft ID [parent's ID]` for each image and draft that Recheck made. What somebody copied or
# snapshotted into the place under another name is not listed: it names its own ID, and a key has no punctuation.

for dir in "$ROOT"/*@* "$ROOT"/.*@*; do
  id=${dir##*/}
  case $id in
    .*) kind=draft id=${id#.} ;;
    *) kind=image ;;
  esac
  ours "$dir" "$id" || continue
  printf '%s %s %s\n' "$kind" "$id" "$(first_line "$dir/.image")"
done
exit 0
