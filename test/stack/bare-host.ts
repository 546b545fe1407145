import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endOf } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import { stackFolder } from './support.ts';

/** Runs a line of bash, returns its output, and throws if it fails. */
export const sh = (line: string): string => execFileSync('bash', ['-euc', line], { encoding: 'utf8' }).trim();

/** A host that `bareHost` has set up. */
export interface BareHost {
  close(): Promise<void>;
}

/**
 * Turns the sandbox into a host that nobody has prepared: no libvirt network, an empty home for root, an sshd on port
 * 22, an empty /mnt. The files of the machine itself do not change.
 *
 * @param settings `sshd`: lines to put first in sshd_config; `hasCache`: keep ~/.cache, where tests cache files
 */
export async function bareHost({ sshd: lines = '', hasCache = false } = {}): Promise<BareHost> {
  mkdirSync(join(stackFolder!, 'mnt'));
  sh(`
    cp -a /etc/ssh "$STACK/ssh" && mount --bind "$STACK/ssh" /etc/ssh
    printf '/dev/sda1 / ext4 defaults 0 1' >"$STACK/fstab" && mount --bind "$STACK/fstab" /etc/fstab
    mkdir -p "$STACK/cache" ~/.cache && mount --bind ~/.cache "$STACK/cache"
    mount -t tmpfs -o mode=770 tmpfs /root
    ${hasCache ? 'mkdir /root/.cache && mount --bind "$STACK/cache" /root/.cache' : ''}
    mount --bind "$STACK/mnt" /mnt
    ssh-keygen -q -A
    virsh -q net-destroy default && virsh -q net-undefine default
  `);
  const config = sh('cat /etc/ssh/sshd_config');
  writeFileSync('/etc/ssh/sshd_config', `${lines}\n${config}\n`);
  const daemon = spawn('/usr/sbin/sshd', ['-D', '-E', join(stackFolder!, 'sshd.log')], { stdio: 'ignore' });
  await waitFor('sshd listens on port 22', () => sh("ss -Hltn 'sport = 22'") !== '');
  return {
    async close() {
      // setup-worker may have restarted sshd, which is then another process.
      sh('kill "$(cat /run/sshd.pid)"');
      await endOf(daemon);
      sh('umount -q /root/.cache "$STACK/cache" /mnt || :');
    },
  };
}
