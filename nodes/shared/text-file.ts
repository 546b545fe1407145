import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { keyFileUnreadable } from '../../lib/errors/ssh-settings.ts';
import { textOf } from './settings.ts';

/** Bytes of a file that settings name. */
const LIMIT = 1 << 20;

/** Why a file cannot be read, by the system's code. */
const WHY: Record<string, string> = {
  ENOENT: 'it is not there',
  EACCES: "Node-RED's user may not read it",
};

/**
 * Reads a small file of the controller that the settings name.
 *
 * @param unreadable makes the error of the reason
 */
export function readTextFile(file: string, unreadable: (why: string) => Error): string {
  let why: string;
  try {
    const found = statSync(file);
    if (found.isFile() && found.size <= LIMIT) return readFileSync(file, 'utf8');
    // A pipe or a device might never end.
    why = found.isDirectory() ? 'it is a folder' : found.isFile() ? 'it is larger than 1 MiB' : 'it is no plain file';
  } catch (error) {
    why = WHY[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
  }
  throw unreadable(why);
}

/**
 * The authorized_keys file that settings name; empty where they name none.
 *
 * @param label whose settings they are, as a message begins
 * @throws CiError ssh-settings/key-file
 */
export function readKeysFile(label: string, setting: unknown): string {
  const file = textOf(setting);
  return file ? readTextFile(file, (why) => keyFileUnreadable(label, file, why)) : '';
}
