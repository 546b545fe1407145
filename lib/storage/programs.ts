import { program } from '../util/program.ts';
import { BACKENDS, type Backend } from './backends.ts';

const read = (name: string): string => program(import.meta.url, name);

/** Exit codes of a storage program whose result is an answer, not a fault. */
export const EXIT = {
  notThere: 10,
  noImage: 11,
  foreign: 12,
  taken: 13,
  ready: 14,
  noDraft: 15,
  noDisk: 16,
  busy: 17,
  stuck: 18,
} as const;

/** A function for programs that copy files to a worker: what they print is compared by `ready` of common.sh. */
export const FINGERPRINT = read('fingerprint');

const COMMON = read('exit-codes') + FINGERPRINT + read('common') + read('removal');
const OPEN_PLACE = read('open-place');

/** The work of a storage, one program and one round trip each. Its arguments are described in `shell/<name>.sh`. */
const OPERATIONS = {
  has: read('has'),
  clone: read('clone'),
  remove: read('remove'),
  list: read('list'),
  'open-draft': read('open-draft'),
  'fork-draft': read('fork-draft'),
  adopt: read('adopt'),
  discard: read('discard'),
  images: read('images'),
  drop: read('drop'),
  stuck: read('stuck'),
} as const;

/** An operation of a storage on its worker, by the name of its program. */
export type Operation = keyof typeof OPERATIONS;

/**
 * Returns the command that does a storage's work on its worker.
 *
 * An image's ID is `<name>@<key>`. A clone is `<root>/<name>`, and the record of its owner `<root>/.recheck/<name>`: written
 * before the clone is made, removed after it.
 *
 * @param place a path, or for zfs the name of a dataset
 */
export const storageCommand = (
  kind: Backend['kind'],
  operation: Operation,
  place: string,
  args: readonly string[],
): string[] => {
  const text = COMMON + BACKENDS[kind].functions + OPEN_PLACE + OPERATIONS[operation];
  return ['/bin/sh', '-c', text, 'storage', place, ...args];
};

const DIAGNOSE = read('diagnose');

/** Returns the command that looks for the cause of a fault of such a storage. */
export const diagnoseCommand = ({ command, fileSystem }: Backend, place: string): string[] => [
  '/bin/sh',
  '-c',
  DIAGNOSE,
  'diagnose',
  place,
  command,
  fileSystem,
];
