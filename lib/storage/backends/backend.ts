/** What tells one kind of storage on a worker from another: the functions that `programs.ts` is completed with. */
export interface Backend {
  kind: 'btrfs' | 'zfs' | 'directory';
  /** The command that it needs, and the packages that have it, for the advice where it is missing. */
  command: string;
  packages: string;
  /** What `stat -f -c %T` must say of its place; empty where that does not matter. */
  fileSystem: string;
  /** POSIX sh. */
  functions: string;
}
