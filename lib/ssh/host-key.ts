import ssh2, { type ServerHostKeyAlgorithm } from 'ssh2';
import { hostKeyChanged, hostKeySetting } from '../errors/ssh.ts';
import { fingerprint } from './keys.ts';
import { type KnownHosts, keyType } from './known-hosts.ts';
import type { SshTarget } from './types.ts';

const ALGORITHMS: Record<string, ServerHostKeyAlgorithm[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
};

/** How one connection tells whether it speaks with the right server. */
export interface HostKeyCheck {
  /** The algorithms to ask for, the believed key's own first. */
  algorithms: ServerHostKeyAlgorithm[];
  /** Returns where the key is believed; throws a CiError where it is not. */
  verify(key: Buffer): void;
}

/**
 * The check of one target's host key: against the key given in its settings, else against the known hosts, where a
 * first key is pinned. Throws a CiError where the given key cannot be read.
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
