# shellcheck shell=sh
# An image and a clone are subvolumes, a clone is a snapshot of its image.

fresh_draft() { btrfs subvolume create "$ROOT/.$1" >/dev/null; }
fork_draft() { btrfs subvolume snapshot "$ROOT/$1" "$ROOT/.$2" >/dev/null; }
make_clone() { btrfs subvolume snapshot "$ROOT/$1" "$ROOT/$2" >/dev/null; }
drop_clone() { erase "$ROOT/$1"; }
