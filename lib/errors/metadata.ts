import { CiError } from './ci-error.ts';

/** User-data that cloud-init would not take. `line` counts from 1. */
export const badUserData = (why: string, line?: number): CiError =>
  new CiError({
    code: 'metadata/user-data',
    message: `The user-data cannot be used${line === undefined ? '' : `: line ${line}`}: ${why}`,
    result: 'ERROR',
  });

export const badAuthorizedKey = (source: string, line: number): CiError =>
  new CiError({
    code: 'metadata/authorized-key',
    message: `${source}, line ${line} is not a public key. Write one key a line, as in an authorized_keys file: ssh-ed25519 AAAA… comment`,
    result: 'ERROR',
  });
