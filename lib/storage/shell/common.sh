# shellcheck shell=sh
# What all storage programs share. A backend may replace `whole`, `parent_of`, `generation` and `follows`.
#
# A program that changes a clone, draft or image holds a lock on its name while it or one of its commands runs. If its
# caller has given up, it still runs to its end, and the next program finds its work either done or not begun.
#
# The file `.image` in an image's folder describes it:
#
#     PARENT-ID, or an empty line
#     of ID                  its own ID: a copy or snapshot under another name was not made by Recheck
#     generation UUID        written when the draft becomes the image
#     parent GENERATION      the parent's generation when the draft was cloned from it
#     source FINGERPRINT     of the file or folder on the worker that it was copied from
#     from PATH              that file or folder
#
# Recheck 0.1.0 wrote the first line only. An image without `generation` counts as made by it, and so does its child
# without `parent`; a parent that was made again has a generation, so such a child no longer fits it.

set -u
# Images that may be made of each other; a longer chain is a cycle.
max_depth=64
# Seconds to wait for an earlier program with the same lock: less than the time limit of a program (PROGRAM_TIMEOUT_MS).
lock_wait=50
umask 022
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL TZ PATH
filled() {
  for file in "$1"/[!.]*; do
    [ -f "$file" ] && return 0
  done
  return 1
}
show() {
  printf 'path %s\n' "$1"
  for file in "$1"/[!.]*; do
    [ -f "$file" ] && printf 'file %s\n' "${file##*/}"
  done
  return 0
}
first_line() {
  line=
  [ ! -r "$1" ] || IFS= read -r line <"$1" || :
  printf '%s\n' "$line"
}
# $1: folder; $2: word of a line of `.image`.
noted() { sed -n "s/^$2 //p" "$1/.image" 2>/dev/null; }
# Whether the folder $1 is an image or draft that Recheck made as $2. Version 0.1.0 did not note its ID; its keys have no
# punctuation.
ours() {
  [ -e "$1/.image" ] || return 1
  known_as=$(noted "$1" of)
  case ${2#*@} in *[!0-9A-Za-z]*) [ -n "$known_as" ] || return 1 ;; esac
  [ "${known_as:-$2}" = "$2" ]
}
random_id() { cat /proc/sys/kernel/random/uuid; }

whole() { filled "$ROOT/$1"; }
parent_of() { first_line "$ROOT/$1/.image"; }
# It includes the sizes and times of the disks: an image that was edited in place is another generation.
generation() {
  disks=$(cd "$ROOT/$1" && stat -c '%n %s %y' -- [!.]* | cksum) || return 1
  printf '%s %s\n' "$(noted "$ROOT/$1" generation)" "$disks"
}
# Whether image $1 was made of image $2 as it is now.
follows() {
  made_of=$(noted "$ROOT/$1" parent)
  if [ -n "$made_of" ]; then
    [ "$made_of" = "$(generation "$2")" ]
  else
    [ -z "$(noted "$ROOT/$2" generation)" ]
  fi
}
# Whether the file or folder that the image was copied from is unchanged, or gone, so that it cannot be copied again.
fresh() {
  was=$(noted "$ROOT/$1" source)
  [ -n "$was" ] || return 0
  now=$(fingerprint "$(noted "$ROOT/$1" from)")
  [ -z "$now" ] || [ "$now" = "$was" ]
}
# Whether an image can be cloned: it and its parents exist, each made of its parent as that is now. With $2 also if its
# source on this machine has changed since.
ready() {
  image=$1 depth=0
  while whole "$image"; do
    above=$(parent_of "$image")
    if [ -z "$above" ]; then
      [ -n "${2:-}" ] || fresh "$image"
      return
    fi
    follows "$image" "$above" || return 1
    image=$above depth=$((depth + 1))
    [ "$depth" -lt "$max_depth" ] || return 1
  done
  return 1
}
# $1: folder of a draft; $2: its ID; $3: the parent's ID, or nothing; $4: the parent's generation.
mark() {
  {
    printf '%s\nof %s\n' "$3" "$2"
    [ -z "${4:-}" ] || printf 'parent %s\n' "$4"
  } >"$1/.image"
}
flush() {
  sync -f "$1" 2>/dev/null || sync
}
held=
lock() {
  unlock
  [ -d "$LOCKS" ] || mkdir -p "$LOCKS" 2>/dev/null
  # The previous holder may have removed the file that was opened.
  # shellcheck disable=SC3013 # dash, busybox and bash have -ef.
  until [ "$LOCKS/$1" -ef /proc/self/fd/9 ]; do
    # If the file cannot be made, since the disk is full, nobody holds the lock.
    command exec 9>>"$LOCKS/$1" || return 0
    flock -w "$lock_wait" -E "$EXIT_BUSY" 9 || exit
  done
  held=$LOCKS/$1
}
unlock() {
  [ -z "$held" ] || rm -f "$held"
  held=
}
trap unlock EXIT
