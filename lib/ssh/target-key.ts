import { createHash } from 'node:crypto';
import type { SshTarget } from './types.ts';

/**
 * What makes two targets the same connection: the server and the account, secrets as a digest only. A new label or
 * another hint for messages cuts nothing.
 */
export function targetKey({ host, port, user, privateKey, passphrase, hostKey, shell }: SshTarget): string {
  return createHash('sha256')
    .update(JSON.stringify([host, port, user, privateKey, passphrase, hostKey, shell]))
    .digest('hex');
}
