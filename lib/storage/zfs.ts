import type { Backend } from './backend.ts';

/**
 * ZFS: an image is a dataset `<place>/<name>:<key>` (`@` is not allowed in a dataset's name) that is mounted as
 * `<name>@<key>`, and is whole once it has the snapshot `@ready`; a clone is a clone of that snapshot. A draft's dataset
 * has `:draft` behind its name and is mounted with a dot before it. ZFS itself knows what a dataset was cloned from
 * (`origin`), under whatever name that has now: that is an image's generation here, and no edit of a mounted image
 * changes its snapshot.
 *
 * Ours are marked for the snapshot daemons that honour a property (zfs-auto-snapshot; syncoid). Snapshots and children
 * that are made all the same go with their dataset, except held ones. Datasets that somebody cloned from them are not
 * ours and stay. A dataset is busy for a moment after its last user has gone, so commands are tried for ten seconds.
 */
export const zfs: Backend = {
  kind: 'zfs',
  command: 'zfs',
  packages: 'zfsutils-linux (zfs-fuse if the kernel has no zfs)',
  fileSystem: '',
  functions: `
there() { zfs list -H -o name "$1" >/dev/null 2>&1; }
dataset() { printf '%s\\n' "$place/\${1%@*}:\${1#*@}"; }
draft_dataset() { printf '%s:draft\\n' "$(dataset "$1")"; }
property() { zfs get -H -o value "$1" "$2" 2>/dev/null; }
patiently() {
  tries=0
  until said=$("$@" 2>&1); do
    tries=$((tries + 1))
    case $said in
      *busy*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;;
    esac
    printf '%s\\n' "$said" >&2
    return 1
  done
}
# The held snapshots of a dataset and its children.
holds() { zfs list -H -r -t snapshot -o name,userrefs "$1" 2>/dev/null | awk -F '\\t' '$2 + 0 > 0 { print $1 }'; }
# Datasets elsewhere that were cloned from the snapshots of a dataset and its children.
clones_of() {
  zfs list -H -o name,origin -t filesystem,volume 2>/dev/null | OF=$1 awk -F '\\t' '
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
    # A snapshot or child that was made meanwhile goes with the next try.
    case $said in
      *busy* | *children*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;;
    esac
    printf '%s\\n' "$said" >&2
    return 1
  done
}
move() {
  patiently zfs unmount "$1" 2>/dev/null
  patiently zfs rename "$1" "$2" && patiently zfs set mountpoint="$3" "$2" || return 1
  [ "$(property mounted "$2")" = yes ] || patiently zfs mount "$2"
}
open_place() {
  root=$(zfs get -H -o value mountpoint "$place") || return 1
  case $root in /*) ;; *) return 1 ;; esac
}
draft_path() { printf '%s\\n' "$root/.$1"; }
whole() { zfs list -H -o name -t snapshot "$(dataset "$1")@ready" >/dev/null 2>&1; }
parent_of() {
  if [ -e "$root/$1/.image" ]; then
    first_line "$root/$1/.image"
  else
    above=$(property recheck:parent "$(dataset "$1")")
    printf '%s\\n' "\${above#-}"
  fi
}
generation() { :; }
follows() { [ "$(property origin "$(dataset "$1")")" = "$(dataset "$2")@ready" ]; }
create() { zfs create -o com.sun:auto-snapshot=false -o syncoid:sync=false "$@"; }
clone() { zfs clone -o com.sun:auto-snapshot=false -o syncoid:sync=false "$@"; }
has_draft() { there "$(draft_dataset "$1")"; }
fresh_draft() { create -o mountpoint="$root/.$1" "$(draft_dataset "$1")"; }
fork_draft() { clone -o mountpoint="$root/.$2" -o recheck:parent="$1" "$(dataset "$1")@ready" "$(draft_dataset "$2")"; }
keep_draft() {
  former=$(dataset "$1")
  if there "$former" && ! destroy "$former" 2>/dev/null; then
    aside=$1.old-$(random_id | cut -c 1-8)
    above=$(parent_of "$1")
    move "$former" "$(draft_dataset "$aside")" "$root/.$aside" || return 1
    mark "$root/.$aside" "$aside" "$above"
  fi
  move "$(draft_dataset "$1")" "$former" "$root/$1" && zfs snapshot "$former@ready" || return 1
  rmdir "$root/.$1" 2>/dev/null || :
}
drop_draft() { destroy "$(draft_dataset "$1")" && { rmdir "$root/.$1" 2>/dev/null || :; }; }
drop_image() { destroy "$(dataset "$1")"; }
has_clone() { there "$place/$1"; }
make_clone() { clone "$(dataset "$1")@ready" "$place/$2"; }
drop_clone() { destroy "$place/$1"; }
where_is() {
  case $1 in
    clone) set=$place/$2 at=$root/$2 ;;
    draft) set=$(draft_dataset "$2") at=$root/.$2 ;;
    *) set=$(dataset "$2") at=$root/$2 ;;
  esac
}
# Whether a clone, draft or image of Recheck was cloned from it.
in_use() {
  where_is "$1" "$2"
  clones_of "$set" | while IFS= read -r user; do
    user=\${user#"$place/"}
    case $user in
      */*) ;;
      *:*)
        id=\${user%:draft} dir=$root/
        [ "$id" = "$user" ] || dir=$dir.
        id=\${id%%:*}@\${id#*:}
        ! ours "$dir$id" "$id" || exit 1
        ;;
      *) [ ! -e "$book/$user" ] || exit 1 ;;
    esac
  done && return 1
  return 0
}
is_there() {
  where_is "$1" "$2"
  there "$set"
}
describe() {
  mounts_at "$at" "$set" | head -n 50 | sed 's/^/mount\\t/'
  holds "$set" | head -n 100 | while IFS= read -r snapshot; do
    # zfs-fuse cannot name them.
    tags=$(zfs holds -H "$snapshot" 2>/dev/null | cut -s -f 2)
    printf '%s\\n' "\${tags:-TAG}" | while IFS= read -r tag; do printf 'hold\\t%s\\t%s\\n' "$snapshot" "$tag"; done
  done
  clones_of "$set" | head -n 50 | sed 's/^/clone\\t/'
}
`,
};
