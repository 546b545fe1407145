import type { Backend } from './backend.ts';

/**
 * Btrfs: an image and a clone are subvolumes, a clone is a snapshot. A draft has a dot before its name until it is
 * renamed. The root of a subvolume always has inode 256 (btrfs(5)); what is none was made by hand, and is removed as the
 * folder that it is.
 */
export const btrfs: Backend = {
  kind: 'btrfs',
  command: 'btrfs',
  packages: 'btrfs-progs',
  fileSystem: 'btrfs',
  functions: `
erase() {
  [ -e "$1" ] || return 0
  if [ "$(stat -c %i "$1")" = 256 ]; then
    btrfs subvolume delete "$1" >/dev/null
  else
    rm -rf --one-file-system "$1"
  fi
}
open_place() { root=\${place%/}; [ -d "$root" ]; }
draft_path() { printf '%s\\n' "$root/.$1"; }
ready() { filled "$root/$1"; }
has_draft() { [ -d "$root/.$1" ]; }
fresh_draft() { btrfs subvolume create "$root/.$1" >/dev/null; }
fork_draft() { btrfs subvolume snapshot "$root/$1" "$root/.$2" >/dev/null; }
keep_draft() { erase "$root/$1" && mv -T "$root/.$1" "$root/$1"; }
drop_draft() { erase "$root/.$1"; }
drop_image() { erase "$root/$1"; }
has_clone() { [ -e "$root/$1" ]; }
make_clone() { btrfs subvolume snapshot "$root/$1" "$root/$2" >/dev/null; }
drop_clone() { erase "$root/$1"; }
`,
};
