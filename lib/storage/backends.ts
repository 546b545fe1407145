import { program } from '../util/program.ts';

/** One kind of storage on a worker, with the functions that complete every storage program. */
export interface Backend {
  kind: 'btrfs' | 'zfs' | 'directory';
  /** The command that it needs, and the packages that contain it, for the advice if it is missing. */
  command: string;
  packages: string;
  /** What `stat -f -c %T` must print for its place; empty if that does not matter. */
  fileSystem: string;
  /**
   * POSIX sh that defines:
   *
   *     open_place            sets $ROOT from $PLACE
   *     draft_path ID
   *     has_draft ID, fresh_draft ID, fork_draft PARENT ID, keep_draft ID, drop_draft ID, drop_image ID
   *     has_clone NAME, make_clone ID NAME, drop_clone NAME
   */
  functions: string;
}

const functions = (name: string): string => program(import.meta.url, `backends/${name}`);
const FILE_IMAGES = functions('file-images');

/** The kinds of storage: command and packages that they need, and their shell functions. */
export const BACKENDS = {
  btrfs: {
    kind: 'btrfs',
    command: 'btrfs',
    packages: 'btrfs-progs',
    fileSystem: 'btrfs',
    functions: FILE_IMAGES + functions('btrfs'),
  },
  zfs: {
    kind: 'zfs',
    command: 'zfs',
    packages: 'zfsutils-linux (zfs-fuse if the kernel has no zfs)',
    fileSystem: '',
    functions: functions('zfs'),
  },
  /** Plain folders, for workers with neither btrfs nor zfs. */
  directory: {
    kind: 'directory',
    command: 'qemu-img',
    packages: 'qemu-utils',
    fileSystem: '',
    functions: FILE_IMAGES + functions('directory'),
  },
} as const satisfies Record<Backend['kind'], Backend>;
