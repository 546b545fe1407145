/** Errors of the metadata and user-data that guests are given. */
import { CiError } from './ci-error.ts';

/**
 * Describes user-data that cloud-init would not accept.
 *
 * @param why one or two sentences, with what to do
 * @param line counted from 1
 */
export const badUserData = (why: string, line?: number): CiError =>
  new CiError({
    code: 'metadata/user-data',
    blame: 'config',
    message: `The user-data cannot be used${line === undefined ? '' : `: line ${line}`}: ${why}`,
  });

/**
 * A line of the authorized keys that guests are to get has no public key.
 *
 * @param source where the keys are set
 * @param line counted from 1
 */
export const badAuthorizedKey = (source: string, line: number): CiError =>
  new CiError({
    code: 'metadata/authorized-key',
    blame: 'config',
    message: `${source}, line ${line} is not a public key.`,
    advice: 'Write one key per line, as in an authorized_keys file: ssh-ed25519 AAAA… comment',
  });
