/**
 * The fixed POSIX sh programs that do a storage's work on a worker, one round trip each. No data stands in them: it
 * comes as arguments. A backend (btrfs, zfs, directories) gives the functions that differ:
 *
 *     open_place            sets $root from $place
 *     ready ID              whether the image is there, whole
 *     draft_path ID
 *     has_draft ID, fresh_draft ID, fork_draft PARENT ID, keep_draft ID, drop_draft ID, drop_image ID
 *     has_clone NAME, make_clone ID NAME, drop_clone NAME
 *
 * What changes a clone, draft or image holds a lock of its name as long as it or a command of it runs: one whose caller
 * has given up runs on, and what comes after it must find its work done, or not begun.
 *
 * ID is `<name>@<key>`. A clone stands in `<root>/<name>`, and whose it is in `<root>/.recheck/<name>`: written before
 * the clone is made, removed after it. An image has a file `.image` with the ID that it was cloned from, if any.
 */

/** How a program ends where that is an answer and no fault. */
export const EXIT = {
  notThere: 10,
  noImage: 11,
  foreign: 12,
  taken: 13,
  ready: 14,
  noDraft: 15,
  noDisk: 16,
  busy: 17,
} as const;

/** Seconds that a program waits for one before it: less than a program's own time. */
const LOCK_WAIT = 50;

const COMMON = `
set -u
umask 022
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
filled() {
  for file in "$1"/[!.]*; do
    [ -f "$file" ] && return 0
  done
  return 1
}
show() {
  printf 'path %s\\n' "$1"
  for file in "$1"/[!.]*; do
    [ -f "$file" ] && printf 'file %s\\n' "\${file##*/}"
  done
  return 0
}
mark() {
  printf '%s\\n' "$2" >"$1/.image"
}
flush() {
  sync -f "$1" 2>/dev/null || sync
}
held=
lock() {
  unlock
  [ -d "$locks" ] || mkdir -p "$locks" 2>/dev/null
  # Whoever held it has removed its file.
  until [ "$locks/$1" -ef /proc/self/fd/9 ]; do
    # A file that cannot be made, since the disk is full, is held by nobody.
    command exec 9>>"$locks/$1" || return 0
    flock -w ${LOCK_WAIT} -E ${EXIT.busy} 9 || exit
  done
  held=$locks/$1
}
unlock() {
  [ -z "$held" ] || rm -f "$held"
  held=
}
trap unlock EXIT
`;

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

/** $1: name of the clone; $2: ID; $3: the record of whose it is. */
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
  ready "$2" || exit ${EXIT.noImage}
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
drop_clone "$1" || exit 1
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
mark "$(draft_path "$1")" '' || exit 1
show "$(draft_path "$1")"
`;

/** Makes a draft as a clone of another image. $1: ID; $2: the parent's. */
export const FORK_DRAFT = `
lock "$1"
ready "$1" && exit ${EXIT.ready}
ready "$2" || exit ${EXIT.noImage}
drop_draft "$1" && fork_draft "$2" "$1" && mark "$(draft_path "$1")" "$2" || exit 1
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
    .image) ;;
    [hsv]d[a-z] | [hsv]d[a-z].* | xvd[a-z] | xvd[a-z].*) [ -f "$file" ] && found=1 ;;
    *) rm -rf --one-file-system "$file" ;;
  esac
done
[ -n "$found" ] || exit ${EXIT.noDisk}
flush "$dir" && keep_draft "$1" || exit 1
`;

/** $1: ID. */
export const DISCARD = `
lock "$1"
ready "$1" || drop_draft "$1" || exit 1
`;

/** Prints a line \`image|draft ID [parent's ID]\` for each image and draft of our own making. */
export const IMAGES = `
for dir in "$root"/*@* "$root"/.*@*; do
  [ -e "$dir/.image" ] || continue
  id=\${dir##*/}
  case $id in
    .*) kind=draft id=\${id#.} ;;
    *) if ready "$id"; then kind=image; else kind=draft; fi ;;
  esac
  printf '%s %s %s\\n' "$kind" "$id" "$(cat "$dir/.image")"
done
exit 0
`;

/** $1, $2 and so on: pairs of \`image\` or \`draft\` and an ID. */
export const DROP = `
while [ $# -gt 1 ]; do
  lock "$2"
  if [ "$1" = image ]; then drop_image "$2"; else drop_draft "$2"; fi || exit 1
  shift 2
done
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
