import type { Backend } from './backend.ts';

/**
 * ZFS: an image is a dataset `<place>/<name>:<key>` (`@` is not allowed in a dataset's name) that is mounted as
 * `<name>@<key>`, and is whole once it has the snapshot `@ready`; a clone is a clone of that snapshot. A dataset is busy
 * for a moment after its last user went: it is asked again for ten seconds.
 */
export const zfs: Backend = {
  kind: 'zfs',
  command: 'zfs',
  packages: 'zfsutils-linux (zfs-fuse where the kernel has no zfs)',
  fileSystem: '',
  functions: `
destroy() {
  tries=0
  until said=$(zfs destroy "$@" 2>&1); do
    tries=$((tries + 1))
    case $said in
      *'does not exist'*) return 0 ;;
      *busy*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;;
    esac
    printf '%s\\n' "$said" >&2
    return 1
  done
}
there() { zfs list -H -o name "$1" >/dev/null 2>&1; }
dataset() { printf '%s\\n' "$place/\${1%@*}:\${1#*@}"; }
open_place() {
  root=$(zfs get -H -o value mountpoint "$place") || return 1
  case $root in /*) ;; *) return 1 ;; esac
}
draft_path() { printf '%s\\n' "$root/$1"; }
ready() { zfs list -H -o name -t snapshot "$(dataset "$1")@ready" >/dev/null 2>&1; }
has_draft() { there "$(dataset "$1")"; }
fresh_draft() { zfs create -o mountpoint="$root/$1" "$(dataset "$1")"; }
fork_draft() { zfs clone -o mountpoint="$root/$2" "$(dataset "$1")@ready" "$(dataset "$2")"; }
keep_draft() { zfs snapshot "$(dataset "$1")@ready"; }
drop_draft() { destroy -r "$(dataset "$1")"; }
drop_image() { destroy -r "$(dataset "$1")"; }
has_clone() { there "$place/$1"; }
make_clone() { zfs clone "$(dataset "$1")@ready" "$place/$2"; }
drop_clone() { destroy "$place/$1"; }
`,
};
