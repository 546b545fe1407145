import ssh2, { type ServerHostKeyAlgorithm } from 'ssh2';
import { hostKeyChanged, hostKeySetting } from '../../errors/ssh.ts';
import { fingerprint } from '../keys.ts';
import { type KnownHosts, keyType } from '../known-hosts.ts';
import type { SshTarget } from '../types.ts';

const ALGORITHMS: Record<string, ServerHostKeyAlgorithm[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
};

/** How one connection checks that it is connected to the right server. */
export interface HostKeyCheck {
  /** The algorithms to ask for, those of the trusted key first. */
  algorithms: ServerHostKeyAlgorithm[];
  /** @throws CiError if the key is not trusted */
  verify(key: Buffer): void;
}

/**
 * Returns the check of one target's host key: against the key in its settings, otherwise against the known hosts, where the
 * first key is pinned.
 *
 * @throws CiError if the key in its settings cannot be parsed
 */
export function hostKeyCheck(target: SshTarget, knownHosts: KnownHosts): HostKeyCheck {
  const { host, port } = target;
  if (target.hostKey === undefined || target.hostKey.trim() === '') {
    return {
      algorithms: inOrder(knownHosts.pinnedType(host, port)),
      verify(key) {
        if (!knownHosts.check(host, port, key)) {
          throw hostKeyChanged(target, knownHosts.entry(host, port).pinned!, fingerprint(key), false);
        }
      },
    };
  }
  const given = readGiven(target, target.hostKey.trim());
  return {
    algorithms: inOrder(given.type),
    verify(key) {
      if (fingerprint(key) !== given.fingerprint) {
        throw hostKeyChanged(target, given.fingerprint, `${fingerprint(key)} (${keyType(key)})`, true);
      }
    },
  };
}

function readGiven(target: SshTarget, text: string): { fingerprint: string; type?: string } {
  if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(text)) return { fingerprint: text.replace(/=$/, '') };
  const key = [ssh2.utils.parseKey(text)].flat()[0]!;
  if (key instanceof Error || key.isPrivateKey()) throw hostKeySetting(target);
  return { fingerprint: fingerprint(key.getPublicSSH()), type: key.type };
}

function inOrder(first: string | undefined): ServerHostKeyAlgorithm[] {
  const preferred = (first !== undefined && ALGORITHMS[first]) || [];
  return [...new Set([...preferred, ...Object.values(ALGORITHMS).flat()])];
}
