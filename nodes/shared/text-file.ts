import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { keyFileUnreadable } from '../../lib/errors/ssh-settings.ts';
import { textOf } from './settings.ts';

/** Maximum size of a file named in settings. */
const MAX_FILE_BYTES = 1 << 20;

/** Reasons why a file cannot be read, by system error code. */
const REASONS: Record<string, string> = {
  ENOENT: 'it does not exist',
  EACCES: "Node-RED's user has no permission to read it",
};

/**
 * Reads a small file on the controller that is named in settings.
 *
 * @param unreadable makes the error to throw from the reason
 */
export function readTextFile(file: string, unreadable: (why: string) => Error): string {
  let why: string;
  try {
    const found = statSync(file);
    if (found.isFile() && found.size <= MAX_FILE_BYTES) return readFileSync(file, 'utf8');
    // A pipe or a device might never end.
    why = found.isDirectory()
      ? 'it is a folder'
      : found.isFile()
        ? 'it is larger than 1 MiB'
        : 'it is not a regular file';
  } catch (error) {
    why = REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
  }
  throw unreadable(why);
}

/**
 * Reads the authorized_keys file named in a setting. Returns an empty text if the setting is empty.
 *
 * @param label the owner of the setting, with which the error message begins
 * @throws CiError ssh-settings/key-file if it cannot be read
 */
export function readKeysFile(label: string, setting: unknown): string {
  const file = textOf(setting);
  return file ? readTextFile(file, (why) => keyFileUnreadable(label, file, why)) : '';
}
