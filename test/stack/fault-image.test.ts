import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { logOf } from '../support/build-runs.ts';
import type { FlowConfig } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { type LaneSettings, madeImage, type Outcome, sshHost, tinyImage, workerHost } from './flow.ts';
import { type ImageServer, openImageServer } from './image-server.ts';
import { assertEnd, Lab, scriptRuns } from './lab.ts';
import { guestDisk, inSandbox, stackFolder } from './support.ts';

/** A lane that ends before a guest boots. */
const CLONE_ONLY = { 'clone-vm': { wires: [['publish-logs1']] } };

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();
  let web: ImageServer;
  let small: string;

  before(async () => {
    web = await openImageServer(readFileSync(guestDisk('tiny')));
    small = join(stackFolder!, 'small');
    mkdirSync(small);
    execFileSync('truncate', ['-s', '200M', `${small}.img`]);
    execFileSync('mkfs.btrfs', ['-q', '--mixed', `${small}.img`]);
    execFileSync('mount', ['-o', 'loop', `${small}.img`, small]);
  });
  after(async () => {
    await web.close();
    execFileSync('umount', [small]);
  });

  afterEach(async () => {
    const left = () =>
      readdirSync(small, { recursive: true, encoding: 'utf8' }).filter((path) => /recheck-|\.made@/.test(path));
    // Cleaning up a full disk may need a second attempt.
    await waitFor('the small disk is cleaned up', () => left().length === 0, 60_000).catch(() => {});
    assert.deepEqual(left(), []);
  });

  /** Fills the small disk, leaving `left` MiB free. */
  function fill(left: number): void {
    const { bavail, bsize } = statfsSync(small);
    const count = String(Math.floor((bavail * bsize) / 2 ** 20) - left);
    const file = join(small, `filler-${left}`);
    // Reserved at once: a guest that begins to write meanwhile would take some of it.
    execFileSync('fallocate', ['-l', `${count}MiB`, file]);
  }

  const fetched = (settings: Record<string, unknown>): LaneSettings => ({
    nodes: [
      sshHost(lab.sshd),
      workerHost({ host: 'ssh-host1', path: lab.place }),
      tinyImage({ url: web.url, ...settings }),
    ],
  });

  test('the image’s server is gone: NODE_FAILURE, no vote', async () => {
    const outcome = await lab.run(fetched({ url: 'http://127.0.0.1:9/gone.img' }), CLONE_ONLY);
    const says = /Image tiny: .*gone\.img.*(refused|connect).*the URL in the image's settings/i;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
  });

  test('the image’s server cuts off each response: NODE_FAILURE, no vote, and the download is resumed', async () => {
    web.breaks.push(2 ** 20, 2 * 2 ** 20, 3 * 2 ** 20);
    const outcome = await lab.run(fetched({}), CLONE_ONLY);
    const says = /Image tiny: the download of .*base\.img ended at 3 of \d+ MB .*It was tried 3 times/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
  });

  test('an image with a wrong checksum: NODE_FAILURE, no vote, and the next build does not download it again', async () => {
    const sha256 = createHash('sha256').update('another').digest('hex');
    const lane = fetched({ sha256 });
    const outcome = await lab.run(lane, CLONE_ONLY);
    const says = new RegExp(`Image tiny: the SHA-256 of .*base\\.img is .*, but ${sha256} is set`);
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
    const asked = web.ranges.length;
    const next = await lab.run(lane, CLONE_ONLY);
    assertEnd(lab.red, next, {
      result: 'NODE_FAILURE',
      at: 'clone vm',
      says: /It failed just now\. It is built again when/,
    });
    assert.equal(web.ranges.length, asked);
  });

  test('an image’s script fails: NODE_FAILURE, no vote, its console is published, and only a changed script is tried again', async () => {
    const lane = (text: string): LaneSettings => ({
      nodes: [...lab.nodes(), madeImage({ first: 'true', breaks: text })],
    });
    const changes = { 'clone-vm': { ...CLONE_ONLY['clone-vm'], image: 'vm-image2' } };
    const outcome = await lab.run(lane('echo about to break; exit 4'), changes);
    const says =
      /Image made: its script breaks ended with exit code 4; its output ends with: .*The patch is not blamed/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
    assert.match(await logOf(outcome, 'images/made.log'), /about to break/);
    const next = await lab.run(lane('echo about to break; exit 4'), changes);
    assertEnd(lab.red, next, { result: 'NODE_FAILURE', at: 'clone vm', says: /It failed just now/ });
    const steps = next.build.steps.find(({ name }) => name === 'clone vm')!;
    assert.ok(steps.duration < 5_000, `${steps.duration} ms: no guest was booted`);
    assertEnd(lab.red, await lab.run(lane('echo it works'), changes), { result: 'SUCCESS', vote: 1 });
  });

  const onSmall = (...more: FlowConfig[]): LaneSettings => ({
    nodes: [sshHost(lab.sshd), workerHost({ host: 'ssh-host1', path: small }), tinyImage({ diskSize: '1' }), ...more],
  });
  /** A command in the guest that writes more than the small disk can hold. */
  const WRITE = 'dd if=/dev/urandom of=/dev/vda bs=1M seek=100 count=300 oflag=direct';
  const STOPPED =
    /the disk of guest recheck-\S+ cannot be written: the worker's disk is full \(No space left on device\)\. Free/;

  test('the worker’s disk is full while a guest writes: DISK_FULL, no vote', async () => {
    const outcome = await lab.disrupt(
      {
        ...onSmall(),
        script: `echo now it runs; sleep 10; ${WRITE}; sleep 300`,
      },
      { when: scriptRuns, action: () => fill(8) },
    );
    assertEnd(lab.red, outcome, { result: 'DISK_FULL', at: 'work', says: STOPPED });
  });

  // From here on the small disk is nearly full.
  const duration = ({ fault }: Outcome): number => fault!.duration;

  test('the worker’s disk is full while a guest boots: immediate DISK_FULL, no vote', async () => {
    execFileSync('btrfs', ['subvolume', 'sync', small]);
    const outcome = await lab.run({
      ...onSmall(),
      metadata: { userData: `#!/bin/sh\n${WRITE}\n` },
      boot: { timeout: '240' },
    });
    assertEnd(lab.red, outcome, { result: 'DISK_FULL', at: 'boot', says: STOPPED });
    assert.ok(duration(outcome) < 120_000, `${duration(outcome)} ms`);
  });

  test('the worker’s disk is full during an image build: DISK_FULL, no vote, and the next build tries again', async () => {
    execFileSync('btrfs', ['subvolume', 'sync', small]);
    const lane = onSmall(madeImage({ writes: WRITE.replace('count=300', 'count=40') }));
    const changes = { 'clone-vm': { ...CLONE_ONLY['clone-vm'], image: 'vm-image2' } };
    const outcome = await lab.run(lane, changes);
    assertEnd(lab.red, outcome, { result: 'DISK_FULL', at: 'clone vm', says: STOPPED });
    assert.ok(duration(outcome) < 120_000, `${duration(outcome)} ms`);
    rmSync(join(small, 'filler-8'));
    const next = await lab.run(lane, changes);
    assertEnd(lab.red, next, { result: 'SUCCESS', vote: 1 });
  });

  test('the worker’s disk is full while a guest is cloned: DISK_FULL, no vote', async () => {
    assert.throws(() => fill(-100), /No space left/);
    // Small files use up the last free bytes.
    assert.throws(() => {
      for (let n = 0; ; n += 1) writeFileSync(join(small, `corner-${n}`), Buffer.alloc(1_500));
    }, /ENOSPC/);
    const outcome = await lab.run(onSmall());
    assertEnd(lab.red, outcome, {
      result: 'DISK_FULL',
      at: 'clone vm',
      says: /disk .*full.* Free some space|No space left .*Free some space/,
    });
  });
});
