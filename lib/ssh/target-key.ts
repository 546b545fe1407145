import { createHash } from 'node:crypto';
import type { SshTarget } from './types.ts';

/**
 * Returns the key under which targets share a connection: a digest of the server, the account and its secrets. Labels and
 * hints for messages do not count.
 */
export function targetKey({ host, port, user, privateKey, passphrase, hostKey, shell }: SshTarget): string {
  return createHash('sha256')
    .update(JSON.stringify([host, port, user, privateKey, passphrase, hostKey, shell]))
    .digest('hex');
}
