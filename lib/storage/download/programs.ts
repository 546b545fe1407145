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
 * The programs that bring an image's files to a worker and look into them. Those that may take long run as scripts, and so
 * end with their caller: FETCH, COPY, UNPACK, CHECK, FINISH. Data comes as environment. A line that begins with `@` is for
 * fetch-run.ts; everything else is what a command said.
 */
export const FETCH = EXIT_CODES + FILE + FINGERPRINT + read('fetch');
export const COPY = EXIT_CODES + FINGERPRINT + read('copy');
export const UNPACK = EXIT_CODES + FILE + read('unpack');
export const SUMS = EXIT_CODES + read('sums');
export const INFO = LIMITS + read('info');
export const CHECK = LIMITS + read('check');
export const READ = LIMITS + read('read');
export const FINISH = read('finish');
