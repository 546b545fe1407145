# shellcheck shell=sh
# What the backends btrfs and directory share: an image is a folder, and so is a draft, with a dot before its name until
# it is renamed. An image that is replaced is moved aside first, as a draft of its own: if it cannot be removed, it does
# not block the new one.

open_place() { ROOT=${PLACE%/}; [ -d "$ROOT" ]; }
draft_path() { printf '%s\n' "$ROOT/.$1"; }
has_draft() { [ -d "$ROOT/.$1" ]; }
keep_draft() {
  aside=
  if [ -e "$ROOT/$1" ]; then
    aside=$1.old-$(random_id)
    mv -T "$ROOT/$1" "$ROOT/.$aside" || return 1
    above=$(first_line "$ROOT/.$aside/.image")
    mark "$ROOT/.$aside" "$aside" "$above" 2>/dev/null || :
  fi
  mv -T "$ROOT/.$1" "$ROOT/$1" || return 1
  [ -z "$aside" ] || remove draft "$aside" drop_draft "$aside" >/dev/null 2>&1 || :
}
drop_draft() { erase "$ROOT/.$1"; }
drop_image() { erase "$ROOT/$1"; }
has_clone() { [ -e "$ROOT/$1" ]; }
