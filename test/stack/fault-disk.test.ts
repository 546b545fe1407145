import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import type { Host, Running } from '../../lib/ssh/types.ts';
import { waitForPromise } from '../support/wait.ts';
import { inSandbox, inventory, stackFolder } from './support.ts';
import { tinyVariant } from './tiny-variant.ts';
import { bootGuest, openWorld, prepareGuest, removeGuest, type TestGuest, type World } from './world.ts';
import { openPool } from './zfs-pool.ts';

/** Time within which a disk error of a guest must be detected. */
const DETECTION_LIMIT_MS = 60_000;

/** Writes 40 MiB to the guest's disk, after the end of its system. */
const WRITE = 'dd if=/dev/zero of=/dev/vda bs=1M seek=100 count=40 oflag=direct';

/** The content of one file of the guest, which occurs nowhere else on its disk. */
const MARK = 'bytes that the storage will lose. ';

const sh = (...argv: string[]): string =>
  execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

/** A running guest and an SSH connection to it. A disk error may pause the guest. */
interface Up {
  world: World;
  guest: TestGuest;
  host: Host;
}

inSandbox(import.meta.url, { limitMs: 300_000, disks: ['tiny'] }, () => {
  const disk = tinyVariant({ 'root/marked': MARK.repeat(8_000) }, '256M');
  let before: ReturnType<typeof inventory>;
  beforeEach(() => {
    before = inventory();
  });
  afterEach(() => assert.deepEqual(inventory(), before, 'nothing is left behind'));

  /** Creates a file system on a loop device for `work`. */
  async function onDisk(
    kind: 'btrfs' | 'directory',
    work: (place: string, file: string) => Promise<void>,
  ): Promise<void> {
    const place = join(stackFolder!, `disk-${kind}`);
    const file = `${place}.img`;
    mkdirSync(place);
    writeFileSync(file, '');
    truncateSync(file, 400 << 20);
    sh(...(kind === 'btrfs' ? ['mkfs.btrfs', '-q', '--mixed', file] : ['mkfs.ext4', '-q', file]));
    sh('mount', '-o', kind === 'btrfs' ? 'loop' : 'loop,errors=remount-ro', file, place);
    try {
      await work(place, file);
    } finally {
      sh('umount', '-l', place);
    }
  }

  /** Boots a guest from a storage for `work`. */
  async function withGuest(
    kind: 'btrfs' | 'directory' | 'zfs',
    place: string,
    work: (up: Up) => Promise<void>,
  ): Promise<void> {
    const world = await openWorld({}, { kind, place, disk });
    const link = await world.openLink();
    const guest = await prepareGuest(world, { build: kind });
    try {
      const host = await bootGuest(world, guest);
      await work({ world, guest, host });
      host.close();
    } finally {
      await world.worker.hypervisor.stop(guest.domain, { signal: AbortSignal.timeout(180_000) });
      await link.close();
      await world.close();
    }
  }

  /** Starts a command in a guest and waits for the fault that its worker reports. The guest can then be resumed. */
  async function runUntilFault(
    { world, guest, host }: Up,
    command: string,
  ): Promise<{ fault: CiError; running: Running }> {
    const { hypervisor } = world.worker;
    const { promise, resolve } = Promise.withResolvers<CiError>();
    const stop = hypervisor.watch!(guest.domain, resolve);
    try {
      const running = await host.start(['sh', '-c', command]);
      running.exit.catch(() => {});
      running.stdout.resume();
      running.stderr.resume();
      const fault = await waitForPromise(
        `the worker reports a fault of its guest, which runs ${command}`,
        promise,
        DETECTION_LIMIT_MS,
      );
      const signal = AbortSignal.timeout(DETECTION_LIMIT_MS);
      await assert.rejects(hypervisor.check!(guest.domain, { signal }), { code: fault.code, message: fault.message });
      return { fault, running };
    } finally {
      stop();
    }
  }

  /** Resumes the guest and checks that its command succeeds. */
  async function assertResumes({ guest }: Up, running: Running): Promise<void> {
    sh('virsh', '-q', 'resume', guest.domain);
    assert.equal((await waitForPromise('the command in the guest ends', running.exit, 120_000)).code, 0);
  }

  function assertFault({ fault }: { fault: CiError }, code: string, result: string, says: RegExp): void {
    assert.deepEqual([fault.code, fault.result], [code, result], fault.message);
    assert.match(fault.message, says);
  }

  test('btrfs: unreadable bytes are NODE_FAILURE, an exceeded quota is DISK_FULL', () =>
    onDisk('btrfs', (place, file) =>
      withGuest('btrfs', place, async (up) => {
        sh('sync', '-f', place);
        const bytes = readFileSync(file);
        const spots: number[] = [];
        for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 4096)) spots.push(at);
        assert.ok(spots.length > 0);
        const overwrite = (byte: string): void => {
          const target = openSync(file, 'r+');
          for (const at of spots) writeSync(target, byte, at);
          closeSync(target);
        };
        overwrite('X');
        // Otherwise the worker would read from its page cache.
        for (const { path } of up.guest.clone.disks) sh('dd', `if=${path}`, 'iflag=nocache', 'count=0', 'status=none');
        const read = await runUntilFault(up, 'cat /root/marked');
        assertFault(read, 'libvirt/guest-io', 'NODE_FAILURE', /the disk of guest \S+ failed on the worker \(vda: /);
        overwrite(MARK[0]!);
        await assertResumes(up, read.running);

        sh('btrfs', 'quota', 'enable', place);
        sh('btrfs', 'quota', 'rescan', '-w', place);
        sh('btrfs', 'qgroup', 'limit', '-e', '16M', up.guest.clone.path);
        const write = await runUntilFault(up, WRITE);
        assertFault(write, 'libvirt/guest-stopped', 'DISK_FULL', /worker's disk is full \(Disk quota exceeded\)/);
        // It can still be removed.
        await removeGuest(up.world, up.guest, up.host);
      }),
    ));

  test('directory: a full file system is DISK_FULL, one that became read-only is NODE_FAILURE', () =>
    onDisk('directory', (place) =>
      withGuest('directory', place, async (up) => {
        const { bavail, bsize } = statfsSync(place);
        const filler = join(place, 'filler');
        sh('fallocate', '-l', String(bavail * bsize - (8 << 20)), filler);
        const write = await runUntilFault(up, WRITE);
        assertFault(write, 'libvirt/guest-stopped', 'DISK_FULL', /worker's disk is full \(No space left on device\)/);
        sh('rm', filler);
        await assertResumes(up, write.running);

        const device = sh('findmnt', '-n', '-o', 'SOURCE', place).replace('/dev/', '');
        writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
        const broken = await runUntilFault(up, WRITE.replace('100', '150'));
        assertFault(broken, 'libvirt/guest-io', 'NODE_FAILURE', /failed on the worker \(Read-only file system\)/);
      }),
    ));

  test('zfs: an exceeded quota and a full pool are DISK_FULL', async () => {
    const { pool, place, zfs, close } = await openPool(2 ** 29);
    const bytes = (property: string): number => Number(zfs('get', '-Hp', '-o', 'value', property, place)[0]);
    try {
      await withGuest('zfs', place, async (up) => {
        zfs('set', `quota=${bytes('used') + (8 << 20)}`, place);
        const over = await runUntilFault(up, WRITE);
        assertFault(over, 'libvirt/guest-stopped', 'DISK_FULL', /worker's disk is full \(Disk quota exceeded\)/);
        zfs('set', 'quota=none', place);
        await assertResumes(up, over.running);

        zfs('create', '-o', `reservation=${bytes('available') - (24 << 20)}`, `${pool}/other`);
        const full = await runUntilFault(up, WRITE.replace('100', '150'));
        assertFault(full, 'libvirt/guest-stopped', 'DISK_FULL', /worker's disk is full \(No space left on device\)/);
        zfs('set', 'reservation=none', `${pool}/other`);
        await assertResumes(up, full.running);
        await removeGuest(up.world, up.guest, up.host);
      });
    } finally {
      await close();
    }
  });
});
