# shellcheck shell=sh
# Turns the draft into the image, after removing what is not a disk and syncing the rest. $1: ID.

lock "$1"
ready "$1" && exit 0
has_draft "$1" || exit "$EXIT_NO_DRAFT"
dir=$(draft_path "$1")
found=
for file in "$dir"/* "$dir"/.[!.]*; do
  case ${file##*/} in
    .image | .below | .source) ;;
    [hsv]d[a-z] | [hsv]d[a-z].* | xvd[a-z] | xvd[a-z].*) [ -f "$file" ] && found=1 ;;
    *) erase "$file" ;;
  esac
done
[ -n "$found" ] || exit "$EXIT_NO_DISK"
{ [ ! -e "$dir/.source" ] || cat "$dir/.source"; printf 'generation %s\n' "$(random_id)"; } >>"$dir/.image" || exit 1
rm -f "$dir/.source"
flush "$dir" && keep_draft "$1" || exit 1
