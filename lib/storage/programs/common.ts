import { EXIT } from './exit-codes.ts';
import { REMOVAL } from './removal.ts';

/** Seconds that a program waits for an earlier one with the same lock: less than a program's own time limit. */
const LOCK_WAIT = 50;

/** Images that may stand on each other; more than that is a circle. */
const MAX_DEPTH = 64;

/** POSIX sh: prints what tells whether a file, or the disks of a folder, are as before; nothing if there are none. */
export const FINGERPRINT = `
fingerprint() {
  if [ -d "$1" ]; then
    (cd "$1" && stat -L -c '%n %s %y' -- [hsv]d[a-z]* xvd[a-z]* 2>/dev/null) | cksum | sed '/ 0$/ d'
  else
    stat -L -c '%s %y' -- "$1" 2>/dev/null
  fi
}
`;

/**
 * What all programs share, as POSIX sh. A backend may replace `whole`, `parent_of` and `follows`.
 *
 * An image's file `.image` says what it is:
 *
 *     PARENT-ID, or an empty line
 *     of ID                  its own ID: a copy or snapshot under another name was not made by Recheck
 *     generation UUID        written when the draft becomes the image
 *     parent GENERATION      the parent's generation when the draft was cloned from it
 *     source FINGERPRINT     of the file or folder on the worker that it was copied from
 *     from PATH              that file or folder
 *
 * Recheck 0.1.0 wrote the first line only. An image without `generation` counts as made by it, and so does its child
 * without `parent`; a parent that was made again has a generation, so such a child does not fit it any more.
 */
export const COMMON = `
set -u
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
  printf 'path %s\\n' "$1"
  for file in "$1"/[!.]*; do
    [ -f "$file" ] && printf 'file %s\\n' "\${file##*/}"
  done
  return 0
}
first_line() {
  line=
  [ ! -r "$1" ] || IFS= read -r line <"$1" || :
  printf '%s\\n' "$line"
}
# $1: folder; $2: word.
noted() { sed -n "s/^$2 //p" "$1/.image" 2>/dev/null; }
# Whether the folder $1 is an image or draft that Recheck made as $2. Version 0.1.0 did not note its ID; its keys have no
# punctuation.
ours() {
  [ -e "$1/.image" ] || return 1
  known_as=$(noted "$1" of)
  case \${2#*@} in *[!0-9A-Za-z]*) [ -n "$known_as" ] || return 1 ;; esac
  [ "\${known_as:-$2}" = "$2" ]
}
random_id() { cat /proc/sys/kernel/random/uuid; }
${FINGERPRINT}
whole() { filled "$root/$1"; }
parent_of() { first_line "$root/$1/.image"; }
# The disks' sizes and times belong to it: an image that was edited in place is another generation.
generation() {
  disks=$(cd "$root/$1" && stat -c '%n %s %y' -- [!.]* | cksum) || return 1
  printf '%s %s\\n' "$(noted "$root/$1" generation)" "$disks"
}
# Whether image $1 was made of image $2 as it is now.
follows() {
  made_of=$(noted "$root/$1" parent)
  if [ -n "$made_of" ]; then
    [ "$made_of" = "$(generation "$2")" ]
  else
    [ -z "$(noted "$root/$2" generation)" ]
  fi
}
# Whether the file or folder that it was copied from is still the same. One that is gone cannot be copied again.
fresh() {
  was=$(noted "$root/$1" source)
  [ -n "$was" ] || return 0
  now=$(fingerprint "$(noted "$root/$1" from)")
  [ -z "$now" ] || [ "$now" = "$was" ]
}
# Whether an image can be cloned: it and all that it is made of are there, each made of the other as it is now. With
# $2 also one whose source on this machine has changed since.
ready() {
  image=$1 depth=0
  while whole "$image"; do
    above=$(parent_of "$image")
    if [ -z "$above" ]; then
      [ -n "\${2:-}" ] || fresh "$image"
      return
    fi
    follows "$image" "$above" || return 1
    image=$above depth=$((depth + 1))
    [ "$depth" -lt ${MAX_DEPTH} ] || return 1
  done
  return 1
}
# $1: folder of a draft; $2: its ID; $3: the parent's, or nothing; $4: the parent's generation.
mark() {
  {
    printf '%s\\nof %s\\n' "$3" "$2"
    [ -z "\${4:-}" ] || printf 'parent %s\\n' "$4"
  } >"$1/.image"
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
${REMOVAL}`;
