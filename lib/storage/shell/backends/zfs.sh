# shellcheck shell=sh
# An image is a dataset that is mounted as `<name>@<key>`, and is complete once it has the snapshot `@ready`; a clone is a
# clone of that snapshot. A draft is one that is mounted with a dot before that name. So the mount point tells which is
# which, and the dataset is named `<place>/<name>:<key>` (`@` is not allowed there), with a suffix while an older one has
# that name: zfs-fuse can rename no dataset that was in use a moment ago.
#
# ZFS itself knows what a dataset was cloned from (`origin`), whatever its name: that is an image's generation here, and
# no edit of a mounted image changes its snapshot.
#
# The datasets are marked for the snapshot daemons that honour a property (zfs-auto-snapshot; syncoid). Snapshots and
# children that are made nevertheless are destroyed with their dataset, except held ones. Datasets that somebody cloned from them
# are not Recheck's and stay. A dataset is busy for a moment after its last user has gone, so commands are tried for ten
# seconds.

there() { zfs list -H -o name "$1" >/dev/null 2>&1; }
property() { zfs get -H -o value "$1" "$2" 2>/dev/null; }
mounted_at() {
  zfs list -H -o name,mountpoint -t filesystem -r "$PLACE" | AT=$1 awk -F '\t' '
    $2 == ENVIRON["AT"] && !n++ { print $1 }'
}
usual_name() { printf '%s\n' "$PLACE/${1%@*}:${1#*@}"; }
new_name() {
  name=$(usual_name "$1")
  ! there "$name" || name=$name:$(random_id | cut -c 1-8)
  printf '%s\n' "$name"
}
dataset() {
  name=$(usual_name "$1")
  if [ "$(property mountpoint "$name")" = "$ROOT/$1" ]; then printf '%s\n' "$name"; else mounted_at "$ROOT/$1"; fi
}
patiently() {
  tries=0
  until said=$("$@" 2>&1); do
    tries=$((tries + 1))
    case $said in
      *busy*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;;
    esac
    printf '%s\n' "$said" >&2
    return 1
  done
}
# The held snapshots of a dataset and its children.
holds() { zfs list -H -r -t snapshot -o name,userrefs "$1" 2>/dev/null | awk -F '\t' '$2 + 0 > 0 { print $1 }'; }
# Datasets elsewhere that were cloned from the snapshots of a dataset and its children.
clones_of() {
  zfs list -H -o name,origin -t filesystem,volume 2>/dev/null | OF=$1 awk -F '\t' '
    index($1 "/", ENVIRON["OF"] "/") != 1 && (index($2, ENVIRON["OF"] "@") == 1 || index($2, ENVIRON["OF"] "/") == 1) {
      print $1
    }'
}
destroy() {
  tries=0
  until said=$(zfs destroy -r "$1" 2>&1); do
    there "$1" || return 0
    tries=$((tries + 1))
    if [ "$tries" = 1 ]; then
      [ -z "$(holds "$1")" ] || tries=50
      at=$(property mountpoint "$1")
      case $at in /*) unmount_below "$at" "$1" || return 1 ;; esac
    fi
    # A snapshot or child that was made meanwhile is destroyed by the next try.
    case $said in
      *busy* | *children*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;;
    esac
    printf '%s\n' "$said" >&2
    return 1
  done
}
open_place() {
  ROOT=$(zfs get -H -o value mountpoint "$PLACE") || return 1
  case $ROOT in /*) ;; *) return 1 ;; esac
}
draft_path() { printf '%s\n' "$ROOT/.$1"; }
whole() { zfs list -H -o name -t snapshot "$(dataset "$1")@ready" >/dev/null 2>&1; }
parent_of() {
  if [ -e "$ROOT/$1/.image" ]; then
    first_line "$ROOT/$1/.image"
  else
    above=$(property recheck:parent "$(dataset "$1")")
    printf '%s\n' "${above#-}"
  fi
}
generation() { :; }
follows() { [ "$(property origin "$(dataset "$1")")" = "$(dataset "$2")@ready" ]; }
create() { zfs create -o com.sun:auto-snapshot=false -o syncoid:sync=false "$@"; }
clone() { zfs clone -o com.sun:auto-snapshot=false -o syncoid:sync=false "$@"; }
has_draft() { [ -n "$(mounted_at "$ROOT/.$1")" ]; }
fresh_draft() { create -o mountpoint="$ROOT/.$1" "$(new_name "$1")"; }
fork_draft() { clone -o mountpoint="$ROOT/.$2" -o recheck:parent="$1" "$(dataset "$1")@ready" "$(new_name "$2")"; }
keep_draft() {
  draft=$(mounted_at "$ROOT/.$1") former=$(dataset "$1")
  if [ -n "$former" ] && ! destroy "$former" 2>/dev/null; then
    aside=$1.old-$(random_id)
    above=$(parent_of "$1")
    patiently zfs set mountpoint="$ROOT/.$aside" "$former" || return 1
    mark "$ROOT/.$aside" "$aside" "$above"
  fi
  patiently zfs set mountpoint="$ROOT/$1" "$draft" && zfs snapshot "$draft@ready" || return 1
  rmdir "$ROOT/.$1" 2>/dev/null || :
}
drop_draft() {
  draft=$(mounted_at "$ROOT/.$1")
  [ -z "$draft" ] || destroy "$draft" || return 1
  rmdir "$ROOT/.$1" 2>/dev/null || :
}
drop_image() {
  former=$(dataset "$1")
  [ -z "$former" ] || destroy "$former"
}
has_clone() { there "$PLACE/$1"; }
make_clone() { clone "$(dataset "$1")@ready" "$PLACE/$2"; }
drop_clone() { destroy "$PLACE/$1"; }
where_is() {
  case $1 in
    clone) set=$PLACE/$2 at=$ROOT/$2 ;;
    draft) at=$ROOT/.$2 set=$(mounted_at "$ROOT/.$2") ;;
    *) at=$ROOT/$2 set=$(dataset "$2") ;;
  esac
}
# Whether a clone, draft or image of Recheck was cloned from it.
in_use() {
  where_is "$1" "$2"
  clones_of "$set" | while IFS= read -r user; do
    dir=$(property mountpoint "$user")
    user=${dir#"$ROOT/"}
    case $user in
      */*) ;;
      *@*) ! ours "$dir" "${user#.}" || exit 1 ;;
      *) [ ! -e "$BOOK/$user" ] || exit 1 ;;
    esac
  done && return 1
  return 0
}
is_there() {
  where_is "$1" "$2"
  [ -n "$set" ] && there "$set"
}
describe() {
  mounts_at "$at" "$set" | head -n 50 | sed 's/^/mount\t/'
  holds "$set" | head -n 100 | while IFS= read -r snapshot; do
    # zfs-fuse cannot list the tags.
    tags=$(zfs holds -H "$snapshot" 2>/dev/null | cut -s -f 2)
    printf '%s\n' "${tags:-TAG}" | while IFS= read -r tag; do printf 'hold\t%s\t%s\n' "$snapshot" "$tag"; done
  done
  clones_of "$set" | head -n 50 | sed 's/^/clone\t/'
}
