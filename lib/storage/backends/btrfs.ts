import type { Backend } from './backend.ts';
import { FILES } from './file-images.ts';

/** Btrfs: an image and a clone are subvolumes, a clone is a snapshot of its image. */
export const btrfs: Backend = {
  kind: 'btrfs',
  command: 'btrfs',
  packages: 'btrfs-progs',
  fileSystem: 'btrfs',
  functions: `${FILES}
fresh_draft() { btrfs subvolume create "$root/.$1" >/dev/null; }
fork_draft() { btrfs subvolume snapshot "$root/$1" "$root/.$2" >/dev/null; }
make_clone() { btrfs subvolume snapshot "$root/$1" "$root/$2" >/dev/null; }
drop_clone() { erase "$root/$1"; }
`,
};
