/**
 * What the backends btrfs and directory share, as POSIX sh: an image is a folder, and so is a draft, with a dot before
 * its name until it is renamed. An image that is replaced is moved aside first, as a draft of its own: what cannot be
 * removed of it does not keep the new one away.
 */
export const FILES = `
open_place() { root=\${place%/}; [ -d "$root" ]; }
draft_path() { printf '%s\\n' "$root/.$1"; }
has_draft() { [ -d "$root/.$1" ]; }
keep_draft() {
  aside=
  if [ -e "$root/$1" ]; then
    aside=$1.old-$(random_id)
    mv -T "$root/$1" "$root/.$aside" || return 1
    above=$(first_line "$root/.$aside/.image")
    mark "$root/.$aside" "$aside" "$above" 2>/dev/null || :
  fi
  mv -T "$root/.$1" "$root/$1" || return 1
  [ -z "$aside" ] || remove draft "$aside" drop_draft "$aside" >/dev/null 2>&1 || :
}
drop_draft() { erase "$root/.$1"; }
drop_image() { erase "$root/$1"; }
has_clone() { [ -e "$root/$1" ]; }
`;
