import { program } from '../../util/program.ts';
import { FINGERPRINT } from '../programs.ts';

const read = (name: string): string => program(import.meta.url, name);

/** Exit codes that say why a program here ended. */
export const FETCH_EXIT = {
  noCurl: 40,
  refused: 41,
  gaveUp: 42,
  write: 43,
  checksum: 44,
  noFile: 45,
  changing: 46,
  machine: 47,
  full: 48,
  tooLarge: 49,
  noTool: 50,
  damaged: 51,
} as const;

const EXIT_CODES = read('exit-codes');
const FILE = read('has-space') + read('describe');
const LIMITS = read('limits');

/*
 * The programs below bring an image's files to a worker and examine them. Those that may take long run as scripts, and so
 * end with their caller: FETCH, COPY, UNPACK, CHECK, FINISH. They get their data as environment variables. Lines that begin
 * with `@` are for fetch-run.ts; everything else is output of commands.
 */

/** Downloads a file, or resumes its download. */
export const FETCH = EXIT_CODES + FILE + FINGERPRINT + read('fetch');
/** Copies the disks of a folder on the worker. */
export const COPY = EXIT_CODES + FINGERPRINT + read('copy');
/** Unpacks a downloaded file in place. */
export const UNPACK = EXIT_CODES + FILE + read('unpack');
/** Prints a checksum file. */
export const SUMS = EXIT_CODES + read('sums');
/** Prints what `qemu-img info` says about a disk, as JSON. */
export const INFO = LIMITS + read('info');
/** Runs `qemu-img check` on a disk, and finds out whether it is complete. */
export const CHECK = LIMITS + read('check');
/** Prints bytes of a disk as the guest sees them, in qemu-io's dump. */
export const READ = LIMITS + read('read');
/** Turns a downloaded file into a qcow2 disk of the size that is set. */
export const FINISH = read('finish');
