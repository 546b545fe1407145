import { execFileSync } from 'node:child_process';
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask } from '../support/build-runs.ts';
import type { FlowConfig } from '../support/red.ts';
import { tinyImage } from './flow.ts';
import { assertEnd, at, Lab } from './lab.ts';
import { guestDisk, inSandbox, stackFolder } from './support.ts';

/** Offset of the root partition in the tiny guest's disk (make-disk.sh: 1 MiB, then a FAT of 20 MiB). */
const ROOT_OFFSET_BYTES = 21 << 20;

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny'] }, () => {
  let files: string;
  /** Seconds that are certainly enough for a healthy guest to boot on this machine. */
  let bootSeconds: string;

  const lab = Lab.forFile(async () => {
    const { build } = await lab.run({});
    const { duration } = build.steps.find(({ name }) => name === 'boot')!;
    bootSeconds = String(Math.ceil(3 + (duration / 1000) * 2));
    files = mkdtempSync(join(stackFolder!, 'disks-'));
    // A boot sector that halts.
    const sector = Buffer.alloc(512);
    sector.writeUInt16BE(0xf4eb, 0);
    sector.writeUInt8(0xfd, 2);
    sector.writeUInt16BE(0x55aa, 510);
    writeFileSync(join(files, 'no-system'), sector);
    truncateSync(join(files, 'no-system'), 1 << 20);
    makeDiskWithout('no-sshd', 'usr/sbin/dropbear');
    makeDiskWithout('own-key', 'usr/bin/dropbearconvert');
    const network = join(files, 'silent.xml');
    writeFileSync(
      network,
      "<network><name>silent</name><bridge name='virbr9'/><ip address='192.168.99.1' netmask='255.255.255.0'/></network>",
    );
    execFileSync('virsh', ['-q', 'net-define', network]);
    execFileSync('virsh', ['-q', 'net-start', 'silent']);
  });

  /** Copies the tiny guest's disk without one of its files. */
  function makeDiskWithout(name: string, file: string): void {
    const disk = join(files, name);
    execFileSync('qemu-img', ['convert', '-O', 'raw', guestDisk('tiny'), disk]);
    execFileSync('debugfs', ['-w', '-R', `rm ${file}`, `${disk}?offset=${ROOT_OFFSET_BYTES}`], { stdio: 'ignore' });
  }

  /** Returns the lab's nodes and an image of one of the broken disks. */
  const withImage = (name: string): FlowConfig[] => [
    ...lab.nodes(),
    tinyImage({ id: 'broken', name, url: `file://${join(files, name)}` }),
  ];

  const cases: { title: string; disk?: string; network?: string; timeout?: string; says: RegExp }[] = [
    {
      title: 'a guest whose disk has no system',
      disk: 'no-system',
      says: /guest vm did not boot: it has no address after \d+ s\. Its console is empty: can its disk boot with BIOS\? If it needs UEFI, choose UEFI as firmware/,
    },
    {
      title: 'a guest on a network without DHCP',
      network: 'silent',
      says: /guest vm did not boot: it has no address after \d+ s\. Does its network have a DHCP server.*Its console ends with: ".*(userspace|network)/,
    },
    {
      title: 'a guest without an SSH server',
      disk: 'no-sshd',
      says: /guest vm did not boot: SSH login did not succeed within \d+ s \(.*192\.168\.122\.\d+:22 .*Connection refused\)\)\. Does its image start an SSH server/,
    },
    {
      title: 'a guest with another host key than the one generated for it',
      disk: 'own-key',
      // Reported half a minute after the key was seen: on a busy machine the others' limit may come first.
      timeout: '200',
      says: /the SSH host key of the guest at .* is not the one generated for it\. .*let guests keep their own host keys in the vm-image/,
    },
  ];
  for (const { title, disk, network = 'default', timeout, says } of cases) {
    test(`${title}: NODE_FAILURE, no vote`, async () => {
      const outcome = await lab.run(
        {
          nodes: disk ? withImage(disk) : lab.nodes(),
          boot: { timeout: timeout ?? bootSeconds, networks: [{ source: network, mac: '' }] },
        },
        disk ? { 'clone-vm': { image: 'broken' } } : {},
      );
      assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says });
    });
  }

  test('one of two guests does not come up: the error names it without waiting for the other', async () => {
    const outcome = await lab.run(
      { nodes: withImage('no-system'), guests: 'slave master', boot: { timeout: bootSeconds } },
      { 'clone-master': { image: 'broken' } },
    );
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says: /guest master did not boot/ });
  });

  test('stopped in the editor while a guest boots: ABORTED, no vote', async () => {
    const outcome = await lab.disrupt(
      {},
      { when: at('booting'), action: () => ask(lab.red, 'POST', 'ci-jobs/ci-jobs1/abort') },
    );
    assertEnd(lab.red, outcome, { result: 'ABORTED', at: 'boot' });
  });
});
