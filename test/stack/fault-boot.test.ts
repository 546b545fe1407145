import { execFileSync } from 'node:child_process';
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask } from '../support/lane.ts';
import type { FlowConfig } from '../support/red.ts';
import { tinyImage } from './flow.ts';
import { assertEnd, at, Lab } from './lab.ts';
import { guestDisk, inSandbox, stackFolder } from './support.ts';

/** Where the tiny guest's root begins in its disk (tiny-guest.sh: a FAT of 20 MiB behind the first). */
const ROOT_AT = 21 << 20;

inSandbox(import.meta.url, { limit: 400_000, disks: ['tiny'] }, () => {
  let files: string;
  /** Seconds in which a sound guest boots for sure, as this machine is now. */
  let soon: string;

  const lab = Lab.forFile(async () => {
    const { build } = await lab.run({});
    const { duration } = build.steps.find(({ name }) => name === 'boot')!;
    soon = String(Math.ceil(3 + (duration / 1000) * 2));
    files = mkdtempSync(join(stackFolder!, 'disks-'));
    // A boot sector that halts.
    const sector = Buffer.alloc(512);
    sector.writeUInt16BE(0xf4eb, 0);
    sector.writeUInt8(0xfd, 2);
    sector.writeUInt16BE(0x55aa, 510);
    writeFileSync(join(files, 'no-system'), sector);
    truncateSync(join(files, 'no-system'), 1 << 20);
    without('no-sshd', 'usr/sbin/dropbear');
    without('own-key', 'usr/bin/dropbearconvert');
    const network = join(files, 'silent.xml');
    writeFileSync(
      network,
      "<network><name>silent</name><bridge name='virbr9'/><ip address='192.168.99.1' netmask='255.255.255.0'/></network>",
    );
    execFileSync('virsh', ['-q', 'net-define', network]);
    execFileSync('virsh', ['-q', 'net-start', 'silent']);
  });

  /** The tiny guest's disk, a file of it missing. */
  function without(name: string, file: string): void {
    const disk = join(files, name);
    execFileSync('qemu-img', ['convert', '-O', 'raw', guestDisk('tiny'), disk]);
    execFileSync('debugfs', ['-w', '-R', `rm ${file}`, `${disk}?offset=${ROOT_AT}`], { stdio: 'ignore' });
  }

  /** The lab's nodes, and one more image, of a disk made here. */
  const withImage = (name: string): FlowConfig[] => [
    ...lab.nodes(),
    tinyImage({ id: 'broken', name, url: `file://${join(files, name)}` }),
  ];

  const cases: { title: string; disk?: string; network?: string; says: RegExp }[] = [
    {
      title: 'a guest whose disk is no system',
      disk: 'no-system',
      says: /guest vm did not boot: it has no address after \d+ s\. Its console is empty: can its disk boot with BIOS\? If it needs UEFI, choose UEFI as firmware/,
    },
    {
      title: 'a guest on a network that gives no addresses',
      network: 'silent',
      says: /guest vm did not boot: it has no address after \d+ s\. Does its network have a DHCP server.*Its console ends with: ".*(userspace|network)/,
    },
    {
      title: 'a guest without an SSH server',
      disk: 'no-sshd',
      says: /guest vm did not boot: SSH login did not succeed within \d+ s \(.*192\.168\.122\.\d+:22 .*Connection refused\)\)\. Does its image start an SSH server/,
    },
    {
      title: 'a guest that shows another host key than the one made for it',
      disk: 'own-key',
      // By itself after half a minute, or with the boot's time, whichever is over first.
      says: /the SSH host key of the guest at .* is not the one generated for it\. .*let guests keep their own host keys in the vm-image/,
    },
  ];
  for (const { title, disk, network = 'default', says } of cases) {
    test(`${title}: NODE_FAILURE, no vote`, async () => {
      const outcome = await lab.run(
        {
          nodes: disk ? withImage(disk) : lab.nodes(),
          boot: { timeout: soon, networks: [{ source: network, mac: '' }] },
        },
        disk ? { 'clone-vm': { image: 'broken' } } : {},
      );
      assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says });
    });
  }

  test('one of two guests does not come up: it is named, and the other is not waited for', async () => {
    const outcome = await lab.run(
      { nodes: withImage('no-system'), guests: 'slave master', boot: { timeout: soon } },
      { 'clone-master': { image: 'broken' } },
    );
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says: /guest master did not boot/ });
  });

  test('aborted by its button while a guest boots: ABORTED, no vote', async () => {
    const outcome = await lab.strike(
      {},
      { when: at('booting'), blow: () => ask(lab.red, 'POST', 'ci-jobs/ci-jobs1/abort') },
    );
    assertEnd(lab.red, outcome, { result: 'ABORTED', at: 'boot' });
  });
});
