import { COMMON } from './common.ts';
import { EXIT } from './exit-codes.ts';

/**
 * The fixed POSIX sh programs that do a storage's work on a worker, one round trip each. No data stands in them: it
 * comes as arguments. A backend (btrfs, zfs, directories) gives the functions that differ:
 *
 *     open_place            sets $root from $place
 *     draft_path ID
 *     has_draft ID, fresh_draft ID, fork_draft PARENT ID, keep_draft ID, drop_draft ID, drop_image ID
 *     has_clone NAME, make_clone ID NAME, drop_clone NAME
 *
 * What changes a clone, draft or image holds a lock of its name as long as it or a command of it runs: one whose caller
 * has given up runs on, and what comes after it must find its work done, or not begun.
 *
 * ID is `<name>@<key>`. A clone stands in `<root>/<name>`, and whose it is in `<root>/.recheck/<name>`: written before
 * the clone is made, removed after it. common-program.ts has what an image says of itself.
 */

export { EXIT };

/**
 * One program: what all share, the backend's functions, and the operation.
 * $1 is the place (a path, or a dataset); the rest are the operation's own.
 */
export const program = (functions: string, operation: string): string =>
  `${COMMON}${functions}\nplace=$1\nshift\nopen_place || exit\nbook=$root/.recheck locks=$root/.recheck/._locks\n${operation}`;

/** $1: ID. */
export const HAS = `
ready "$1" || exit ${EXIT.notThere}
`;

/** $1: name of the clone; $2: ID; $3: the record of whose it is; $4: `old` for an image whose source has changed. */
export const CLONE = `
lock "$1"
known=
if [ -e "$book/$1" ]; then
  known=$(cat "$book/$1")
  if [ "$known" != "$3" ]; then
    printf '%s\\n' "$known"
    exit ${EXIT.foreign}
  fi
fi
if [ -z "$known" ] || ! has_clone "$1"; then
  ready "$2" "$4" || exit ${EXIT.noImage}
  if [ -z "$known" ]; then
    has_clone "$1" && exit ${EXIT.taken}
    mkdir -p "$book" && printf '%s\\n' "$3" >"$book/.$1" && mv -f "$book/.$1" "$book/$1" || exit 1
  fi
  make_clone "$2" "$1" || exit 1
  if [ ! -e "$book/$1" ]; then
    drop_clone "$1"
    echo 'its record was removed while it was being made' >&2
    exit 1
  fi
fi
show "$root/$1"
`;

/** $1: name of the clone. What has no record is not ours. */
export const REMOVE = `
lock "$1"
[ -e "$book/$1" ] || exit 0
remove clone "$1" drop_clone "$1" || exit ${EXIT.stuck}
rm -f "$book/$1"
`;

/** Prints a line \`name:record\` for each clone. */
export const LIST = `
cd "$book" 2>/dev/null || exit 0
set -- *
[ -e "$1" ] || exit 0
grep -H '' -- "$@"
`;

/** Opens a draft for files from outside, one of an earlier try as it is. $1: ID. */
export const OPEN_DRAFT = `
lock "$1"
ready "$1" && exit ${EXIT.ready}
has_draft "$1" || fresh_draft "$1" || exit 1
mark "$(draft_path "$1")" "$1" '' || exit 1
show "$(draft_path "$1")"
`;

/** Makes a draft as a clone of another image. $1: ID; $2: the parent's. */
export const FORK_DRAFT = `
lock "$1"
ready "$1" && exit ${EXIT.ready}
ready "$2" || exit ${EXIT.noImage}
remove draft "$1" drop_draft "$1" || exit ${EXIT.stuck}
made_of=$(generation "$2") && fork_draft "$2" "$1" && mark "$(draft_path "$1")" "$1" "$2" "$made_of" || exit 1
show "$(draft_path "$1")"
`;

/** Makes the draft the image: what is no disk goes, the rest is written out first. $1: ID. */
export const ADOPT = `
lock "$1"
ready "$1" && exit 0
has_draft "$1" || exit ${EXIT.noDraft}
dir=$(draft_path "$1")
found=
for file in "$dir"/* "$dir"/.[!.]*; do
  case \${file##*/} in
    .image | .below | .source) ;;
    [hsv]d[a-z] | [hsv]d[a-z].* | xvd[a-z] | xvd[a-z].*) [ -f "$file" ] && found=1 ;;
    *) erase "$file" ;;
  esac
done
[ -n "$found" ] || exit ${EXIT.noDisk}
{ [ ! -e "$dir/.source" ] || cat "$dir/.source"; printf 'generation %s\\n' "$(random_id)"; } >>"$dir/.image" || exit 1
rm -f "$dir/.source"
flush "$dir" && keep_draft "$1" || exit 1
`;

/** $1: ID. */
export const DISCARD = `
lock "$1"
remove draft "$1" drop_draft "$1" || exit ${EXIT.stuck}
`;

/**
 * Prints a line \`image|draft ID [parent's ID]\` for each image and draft that Recheck made. What somebody copied or
 * snapshotted into the place under another name is not listed: it names its own ID, and a key has no punctuation.
 */
export const IMAGES = `
for dir in "$root"/*@* "$root"/.*@*; do
  id=\${dir##*/}
  case $id in
    .*) kind=draft id=\${id#.} ;;
    *) kind=image ;;
  esac
  ours "$dir" "$id" || continue
  printf '%s %s %s\\n' "$kind" "$id" "$(first_line "$dir/.image")"
done
exit 0
`;

/**
 * $1, $2 and so on: pairs of \`image\` or \`draft\` and an ID. Prints a line \`gone ID\` for each that is removed. One
 * that another of Recheck's still stands on is left for later.
 */
export const DROP = `
code=0
while [ $# -gt 1 ]; do
  lock "$2"
  if ! in_use "$1" "$2"; then
    if remove "$1" "$2" "drop_$1" "$2"; then printf 'gone %s\\n' "$2"; else code=${EXIT.stuck}; fi
  fi
  shift 2
done
exit "$code"
`;

/**
 * Describes what could not be removed and is still there, as removal-program.ts says, and prints a line
 * \`record NAME:RECORD\` for each clone. $1 and so on: clones to describe beside those.
 */
export const STUCK = `
for note in "$book"/._stuck/*; do
  [ -e "$note" ] || continue
  name=\${note##*/}
  kind=\${name%%.*} name=\${name#*.}
  if is_there "$kind" "$name"; then tell_stuck "$kind" "$name" "$(cat "$note")"; fi
done
for name; do
  if is_there clone "$name"; then tell_stuck clone "$name" ''; fi
done
cd "$book" 2>/dev/null || exit 0
set -- *
[ ! -e "$1" ] || grep -H '' -- "$@" | sed 's/^/record /'
`;

/**
 * Looks for the reason of a fault. $1: the place; $2: a command that must be there; $3: the kind of file system of the
 * place, or nothing. Prints one word, and what belongs to it.
 */
export const DIAGNOSE = `
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
command -v "$2" >/dev/null || { echo "command $2"; exit; }
root=$1
case $1 in
  /*) ;;
  *) root=$(zfs get -H -o value mountpoint "$1" 2>/dev/null) || { echo place; exit; } ;;
esac
case $root in
  /*) ;;
  *) echo unmounted; exit ;;
esac
[ -d "$root" ] || { echo place; exit; }
kind=$(stat -f -c %T "$root")
[ -z "$3" ] || [ "$kind" = "$3" ] || { echo "kind $kind"; exit; }
[ "$(id -u)" = 0 ] || { echo "user $(id -un)"; exit; }
probe=$root/.recheck-probe
said=$(dd if=/dev/zero of="$probe" bs=65536 count=4 conv=fsync 2>&1) || echo "write $said"
rm -f "$probe"
`;
