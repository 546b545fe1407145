# shellcheck shell=sh
# Removal of what belongs to Recheck. Everything below a clone, draft or image goes with it: what a snapshot daemon, a
# build or an operator put there. What is mounted there is unmounted and never deleted through, and nothing outside is
# touched. A backend may replace `where_is`, `is_there`, `in_use` and `describe`.
#
# What could not be removed is noted in `$BOOK/._stuck/KIND.NAME` with what the commands said, and described in lines of
# tab-separated fields, which stuck.ts reads:
#
#     stuck  clone|draft|image NAME PATH [DATASET]
#     said   what the commands said
#     mount PATH | swap FILE | subvolume PATH (the deepest first) | hold SNAPSHOT TAG | clone DATASET | no-chattr

is_btrfs() { [ "$(stat -f -c %T "$1")" = btrfs ]; }
# Prints what is mounted at $1 and below, the newest first; with $2 nothing of that dataset. In proc(5)'s mountinfo,
# blanks in a path are octal; a path with a newline is not decoded and so not found.
mounts_at() {
  at=$(cd "$1" 2>/dev/null && pwd -P) || return 0
  AT=$at SET=${2:-} awk '
    {
      path = $5
      gsub(/\\040/, " ", path)
      gsub(/\\011/, "\t", path)
      gsub(/\\134/, "\\", path)
      for (i = 7; i <= NF && $i != "-"; i++);
      own = ENVIRON["SET"] != "" && index($(i + 2) "/", ENVIRON["SET"] "/") == 1
      if (!own && index(path "/", ENVIRON["AT"] "/") == 1) found[++n] = path
    }
    END { while (n > 0) print found[n--] }' /proc/self/mountinfo
}
unmount_below() {
  mounts_at "$@" | while IFS= read -r mount; do
    umount "$mount" || exit 1
  done
}
# Subvolumes at $1 and below, the deepest first: the root of each has inode 256 (btrfs(5)).
each_subvolume() {
  at=$1
  shift
  find "$at" -depth -type d -inum 256 "$@"
}
wipe() {
  if [ -d "$1" ] && [ ! -L "$1" ] && is_btrfs "$1"; then
    if [ "$(stat -c %i "$1")" = 256 ] && btrfs subvolume delete "$1" >/dev/null 2>&1; then return; fi
    each_subvolume "$1" -exec btrfs subvolume delete {} + >/dev/null
    [ -e "$1" ] || return 0
    if [ "$(stat -c %i "$1")" = 256 ]; then return 1; fi
  fi
  rm -rf --one-file-system "$1"
}
# Removes what keeps root from deleting: read-only subvolumes, immutable and append-only files.
loosen() {
  if is_btrfs "$1"; then
    # shellcheck disable=SC2016 # The inner shell expands it.
    each_subvolume "$1" -exec sh -c 'for at; do
      btrfs property set -f -ts "$at" ro false || btrfs property set -ts "$at" ro false
    done' loosen {} + 2>/dev/null
  fi
  chattr -R -f -i -a "$1" 2>/dev/null
  return 0
}
erase() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    unmount_below "$1" || return 1
    wipe "$1" 2>/dev/null && return 0
    loosen "$1"
  fi
  wipe "$1"
}
# Sets $at, and for zfs $set, the dataset, of a clone, draft or image. $1: KIND; $2: NAME.
where_is() {
  set=
  case $1 in
    draft) at=$ROOT/.$2 ;;
    *) at=$ROOT/$2 ;;
  esac
}
is_there() {
  where_is "$1" "$2"
  [ -e "$at" ] || [ -L "$at" ]
}
in_use() { return 1; }
describe() {
  mounts_at "$at" | head -n 50 | sed 's/^/mount\t/'
  AT=$at awk 'NR > 1 { gsub(/\\040/, " ", $1); if (index($1, ENVIRON["AT"] "/") == 1) print "swap\t" $1 }' /proc/swaps
  if [ -d "$at" ] && is_btrfs "$at"; then
    each_subvolume "$at" -print0 | tr '\n\0' '?\n' | head -n 200 | sed 's/^/subvolume\t/'
  fi
  command -v chattr >/dev/null || echo no-chattr
}
# $1: KIND; $2: NAME; $3: what was said.
tell_stuck() {
  where_is "$1" "$2"
  printf 'stuck\t%s\t%s\t%s\t%s\n' "$1" "$2" "$at" "$set"
  printf 'said\t%s\n' "$(printf '%s' "$3" | tail -n 3 | tr '\n\t' '  ' | cut -c 1-500)"
  describe
}
# $1: KIND; $2: NAME; then the command that removes it. If that fails, it is noted and described.
remove() {
  kind=$1 name=$2
  shift 2
  note=$BOOK/._stuck/$kind.$name
  if words=$("$@" 2>&1); then
    [ ! -e "$note" ] || rm -f "$note"
    return 0
  fi
  printf '%s\n' "$words" >&2
  { mkdir -p "$BOOK/._stuck" && printf '%s\n' "$words" >"$note"; } 2>/dev/null
  tell_stuck "$kind" "$name" "$words"
  return 1
}
