import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { connected, FlowFile } from '../support/flows.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { newStorageFolder } from './flow.ts';
import { assertMultiNode, imagesIn } from './multi-node.ts';
import { guestDisk, inSandbox, inventory } from './support.ts';

/** Timeout from an upload to its reviews, on a machine that may be busy. */
const REVIEW_TIMEOUT_MS = 900_000;

inSandbox(import.meta.url, { limitMs: 1_200_000, disks: ['tiny'] }, () => {
  const flow = FlowFile.shipped('5 multi-node');
  let red: TestRed;
  let gerrit: SandboxGerrit;
  let atFirst: ReturnType<typeof inventory>;

  before(async () => {
    red = await startRed();
    const sandbox = red.sandbox();
    // The settings that the flow's comment asks for, and the memory of the tiny guests.
    flow.set('gerrit-server', { kind: 'sandbox' });
    flow.set('gerrit-events', { projects: [{ match: 'exact', pattern: 'demo' }] });
    flow.set('gerrit-review', { silent: false, vote: true });
    flow.set('worker-host', { path: newStorageFolder(), load: '1000' });
    flow.set('vm-image', { url: `file://${guestDisk('tiny')}`, memory: '256' }, 'base');
    flow.set('vm-image', { memory: '256' }, 'dsvm');
    flow.set('virsh-boot', { memory: '256' });
    const copy = flow.copy();
    assert.ok(copy.nodes.every(({ id }) => !flow.nodes.some((node) => node.id === id)));
    await red.deploy([...flow.nodes, ...copy.nodes]);
    gerrit = await sandbox;
    await connected(red, flow);
    await connected(red, copy);
    atFirst = inventory();
  });
  after(() => red?.close());

  const reviewed = async () => {
    const { number } = await gerrit.upload({ message: 'A change\n', files: { 'a.txt': `${Date.now()}\n` } });
    const change = () => gerrit.changes().find((one) => one.number === number)!;
    const reviews = () => change().messages.filter(({ author }) => author === 'my-ci');
    await waitFor(`2 reviews of ${number}`, () => reviews().length >= 2, REVIEW_TIMEOUT_MS);
    const ours = change()
      .patchsets.at(-1)!
      .votes.filter(({ by }) => by === 'my-ci');
    assert.deepEqual(ours, [], 'the job is non-voting');
    return reviews().map(({ message }) => message);
  };
  const domainTypes = () => readFileSync(join(red.userDir, 'recheck', 'domain-types.json'), 'utf8');

  test('a flow and its copy share images and worker, and each build has its own private bridge', async () => {
    // The largest set of private bridges seen at one time.
    let bridges: string[] = [];
    const look = setInterval(() => {
      const now = inventory()['links']!.filter((name) => name.startsWith('brci'));
      if (now.length > bridges.length) bridges = now;
    }, 500);
    try {
      const both = await reviewed();
      assert.equal(both.length, 2, 'one review from each flow');
      for (const review of both) await assertMultiNode(review, /tiny: metadata at/);
    } finally {
      clearInterval(look);
    }
    assert.deepEqual(bridges, ['brci0', 'brci1']);
    assert.match(domainTypes(), /"type": "(kvm|qemu)"/, 'the result of the KVM probe is cached');
    const left = inventory();
    assert.deepEqual(imagesIn(left, atFirst), ['base', 'dsvm'], 'each image is built once');
    assert.deepEqual({ ...left, subvolumes: atFirst['subvolumes'] }, atFirst, 'nothing is left but the images');
  });
});
