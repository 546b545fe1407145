import type { Backend } from './backend.ts';

/**
 * Plain folders, where there is neither btrfs nor zfs: a clone's disks share blocks with the image's where the file
 * system can (reflink), and are qcow2 files on top of the image's where it cannot. So an image stays while anything is
 * made of it, and one whose parent is gone is not whole. What is being made has a dot before its name until it is
 * renamed.
 */
export const overlay: Backend = {
  kind: 'directory',
  command: 'qemu-img',
  packages: 'qemu-utils',
  fileSystem: '',
  functions: `
erase() { rm -rf --one-file-system "$1"; }
derive() {
  erase "$2" && mkdir "$2" || return 1
  for file in "$1"/[!.]*; do
    [ -f "$file" ] || continue
    name=\${file##*/}
    cp --reflink=always --preserve=mode "$file" "$2/$name" 2>/dev/null && continue
    rm -f "$2/$name"
    case $name in *.qcow2) format=qcow2 ;; *) format=raw ;; esac
    qemu-img create -q -f qcow2 -F "$format" -b "$file" "$2/\${name%.*}.qcow2" || return 1
  done
}
open_place() { root=\${place%/}; [ -d "$root" ]; }
draft_path() { printf '%s\\n' "$root/.$1"; }
ready() {
  below=$1
  while filled "$root/$below"; do
    [ -e "$root/$below/.image" ] || return 0
    below=$(cat "$root/$below/.image")
    [ -n "$below" ] || return 0
  done
  return 1
}
has_draft() { [ -d "$root/.$1" ]; }
fresh_draft() { mkdir "$root/.$1"; }
fork_draft() { derive "$root/$1" "$root/.$2"; }
keep_draft() { erase "$root/$1" && mv -T "$root/.$1" "$root/$1"; }
drop_draft() { erase "$root/.$1"; }
drop_image() { erase "$root/$1"; }
has_clone() { [ -e "$root/$1" ]; }
make_clone() { derive "$root/$1" "$root/.$2" && mv -T "$root/.$2" "$root/$2"; }
drop_clone() { erase "$root/.$1" && erase "$root/$1"; }
`,
};
