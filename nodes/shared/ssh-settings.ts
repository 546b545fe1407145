import { readFile } from 'node:fs/promises';
import type { NodeCredentials } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { keyFileUnreadable } from '../../lib/errors/ssh-settings.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { numberOf, textOf } from './settings.ts';

/** Settings of an SSH connection, as saved. */
export interface SshConfig {
  name: string;
  host: string;
  port: string | number;
  user: string;
  keyFile: string;
  hostKey: string;
}

/** Secrets of an SSH connection. */
export type SshCredentials = Partial<Record<'privateKey' | 'passphrase', string>>;

/** Definition of these secrets for `RED.nodes.registerType`. */
export const SSH_CREDENTIALS: NodeCredentials<Required<SshCredentials>> = {
  privateKey: { type: 'password' },
  passphrase: { type: 'password' },
};

/**
 * Returns the SSH target from the settings. A pasted key takes precedence over the key file.
 *
 * @param kind begins the label; `gerrit` is a server without a shell
 * @param port the default port
 * @throws CiError if the key file cannot be read
 */
export async function targetOf(
  kind: string,
  config: SshConfig,
  credentials: SshCredentials | undefined,
  port: number,
): Promise<SshTarget> {
  const host = textOf(config.host);
  const label = `${kind} ${textOf(config.name, host)}`;
  const pasted = textOf(credentials?.privateKey);
  const file = textOf(config.keyFile);
  // If both are missing, the connection reports it.
  const privateKey =
    !file || pasted
      ? pasted
      : await readFile(file, 'utf8').catch((error: unknown) => {
          throw keyFileUnreadable(label, file, messageOf(error));
        });
  const passphrase = credentials?.passphrase;
  const hostKey = textOf(config.hostKey);
  const user = textOf(config.user);
  return {
    label,
    host,
    port: numberOf(config.port, port, 1),
    user,
    privateKey,
    ...(passphrase ? { passphrase } : {}),
    ...(hostKey ? { hostKey } : {}),
    // Gerrit manages authorized keys itself, and has no shell.
    ...(kind === 'gerrit'
      ? { keysPlace: `the SSH keys in the settings of Gerrit's account ${user}`, shell: 'none' as const }
      : {}),
  };
}
