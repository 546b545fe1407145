import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RealGerrit } from '../real/gerrit/fixture.ts';
import { connected, FlowFile } from '../support/flows.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { newStorageFolder } from './flow.ts';
import { assertMultiNode, imagesIn } from './multi-node.ts';
import { guestDisk, inSandbox, inventory } from './support.ts';

/** Timeout from a push to its review, for which three trixie guests boot, two of them at once. */
const REVIEW_TIMEOUT_MS = 2_400_000;

inSandbox(import.meta.url, { limitMs: 1_000_000, disks: ['trixie'], gerrit: true }, () => {
  const flow = FlowFile.shipped('5 multi-node');
  let gerrit: RealGerrit;
  let red: TestRed;
  let place: string;
  let atFirst: ReturnType<typeof inventory>;

  before(async () => {
    [gerrit, red] = await Promise.all([RealGerrit.start(), startRed()]);
    place = newStorageFolder();
    // Only the settings that the flow's comment asks for.
    flow.useGerrit(gerrit.target, gerrit.project);
    flow.set('worker-host', { path: place, load: '1000' });
    flow.set('vm-image', { url: `file://${guestDisk('trixie')}` }, 'base');
    // The guests are emulated on a machine that may be busy.
    flow.set('virsh-boot', { timeout: '1200' });
    await red.deploy(flow.nodes);
    await connected(red, flow);
    atFirst = inventory();
  });
  after(async () => {
    await red?.close();
    await gerrit?.close();
  });

  const statusesOf = (node: string) => red.statuses.filter(({ id }) => id === node).map(({ text }) => text);
  const reviewsOf = async (change: number) =>
    (await gerrit.messages(change)).filter(({ author }) => author === gerrit.ciUser);

  test('two guests of an image built by scripts can reach each other by name; one review, without a vote', async (t) => {
    const began = performance.now();
    const { number } = await gerrit.pushChange({ subject: 'A change' });
    await waitFor(`a review of change ${number}`, async () => (await reviewsOf(number)).length > 0, REVIEW_TIMEOUT_MS);
    t.diagnostic(
      `${Math.round((performance.now() - began) / 1000)} s from the push to the review, including the image build`,
    );
    const [review, ...more] = await reviewsOf(number);
    assert.deepEqual(more, []);
    const logs = await assertMultiNode(review!.message);
    for (const guest of ['slave', 'master'])
      assert.match(logs, new RegExp(`${guest}: cloud-init finished (with warnings )?after`), 'before the first script');
    assert.equal((await gerrit.votes(number))['Verified'] ?? 0, 0);
    const clone = statusesOf(flow.node('clone-image', 'clone slave').id).join('\n');
    for (const progress of [
      /image base: /,
      /image .*waiting for cloud-init/,
      /image .*init_dsvm \(1 of 2\)/,
      /image .*clone_projects \(2 of 2\)/,
    ])
      assert.match(clone, progress);
    const left = inventory();
    assert.deepEqual(imagesIn(left, atFirst), ['base', 'dsvm']);
    assert.deepEqual({ ...left, subvolumes: atFirst['subvolumes'] }, atFirst, 'nothing is left but the images');
  });
});
