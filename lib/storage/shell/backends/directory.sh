# shellcheck shell=sh
# A clone's disks share blocks with the image's if the file system can (reflinks); otherwise they are qcow2 files with
# the image's as their backing files. Such a backing file is hard-linked into the folder `.below` beside it and named
# relative to it, so a clone keeps the disks that it was made of, whatever happens to the image's folder. If the file
# system has no hard links, the image's own path is named.

copy_blocks() {
  for file in "$1"/[!.]*; do
    [ ! -f "$file" ] || cp --reflink=always --preserve=mode "$file" "$2/${file##*/}" 2>/dev/null || return 1
  done
  [ ! -d "$1/.below" ] || cp -al "$1/.below" "$2/.below" 2>/dev/null
}
link_below() {
  mkdir "$2/.below" && cp -al "$1"/[!.]* "$2/.below/" || return 1
  [ ! -d "$1/.below" ] || cp -al "$1/.below" "$2/.below/.below"
}
derive() {
  erase "$2" && mkdir "$2" || return 1
  copy_blocks "$1" "$2" && return
  erase "$2" && mkdir "$2" || return 1
  below=.below
  link_below "$1" "$2" 2>/dev/null || { erase "$2/.below" && below=$1; } || return 1
  for file in "$1"/[!.]*; do
    [ -f "$file" ] || continue
    name=${file##*/}
    case $name in *.qcow2) format=qcow2 ;; *) format=raw ;; esac
    qemu-img create -q -f qcow2 -F "$format" -b "$below/$name" "$2/${name%.*}.qcow2" || return 1
  done
}
fresh_draft() { mkdir "$ROOT/.$1"; }
fork_draft() { derive "$ROOT/$1" "$ROOT/.$2"; }
make_clone() { derive "$ROOT/$1" "$ROOT/.$2" && mv -T "$ROOT/.$2" "$ROOT/$2"; }
drop_clone() { erase "$ROOT/.$1" && erase "$ROOT/$1"; }
