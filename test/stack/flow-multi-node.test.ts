import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SandboxGerrit } from '../../lib/sandbox/gerrit/index.ts';
import { parseTable } from '../gerrit/results-table.ts';
import { connected, Flow } from '../support/flows.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { until } from '../support/until.ts';
import { newPlace } from './flow.ts';
import { guestDisk, inSandbox, inventory } from './support.ts';

/** Milliseconds from an upload to its reviews, on a machine that others use too. */
const REVIEW_TIME = 300_000;

inSandbox(import.meta.url, { limit: 600_000, disks: ['tiny'] }, () => {
  const flow = Flow.shipped('5 multi-node');
  let red: TestRed;
  let gerrit: SandboxGerrit;
  let atFirst: ReturnType<typeof inventory>;

  before(async () => {
    red = await startRed();
    const sandbox = red.sandbox();
    // What its comment tells to set first, and the size of the tiny guests.
    flow.set('gerrit-server', { kind: 'sandbox' });
    flow.set('gerrit-events', { projects: [{ match: 'exact', pattern: 'demo' }] });
    flow.set('gerrit-review', { silent: false, vote: true });
    flow.set('worker-host', { path: newPlace(), load: '1000' });
    flow.set('vm-image', { url: `file://${guestDisk('tiny')}`, memory: '256' }, 'base');
    flow.set('vm-image', { memory: '256' }, 'dsvm');
    flow.set('virsh-boot', { memory: '256' });
    await red.deploy(flow.nodes);
    gerrit = await sandbox;
    await connected(red, flow);
    atFirst = inventory();
  });
  after(() => red?.close());

  const upload = async () =>
    (await gerrit.upload({ message: 'A change\n', files: { 'a.txt': `${Date.now()}\n` } })).number;
  const reviews = (number: number) =>
    gerrit
      .changes()
      .find((change) => change.number === number)!
      .messages.filter(({ author }) => author === 'my-ci')
      .map(({ message }) => message);
  const reviewed = (number: number, count: number) =>
    until(`${count} reviews of ${number}`, () => reviews(number).length >= count && reviews(number), REVIEW_TIME);
  /** The images are there, and nothing else is left. */
  const nothingLeft = () => {
    const left = inventory();
    const images = left['subvolumes']!.filter((path) => !atFirst['subvolumes']!.includes(path));
    assert.deepEqual(images.map((path) => path.replace(/.*\/(.*)@.*/, '$1')).sort(), ['base', 'dsvm']);
    assert.deepEqual({ ...left, subvolumes: atFirst['subvolumes'] }, atFirst);
  };
  const said = (node: string) => red.statuses.filter(({ id }) => id === node).map(({ text }) => text);
  const domainTypes = () => readFileSync(join(red.userDir, 'recheck', 'domain-types.json'), 'utf8');

  /** Checks a review and all that it links to. */
  async function assertGood(message: string): Promise<void> {
    const { rows } = parseTable(message);
    const get = async (file: string) => {
      const answer = await fetch(new URL(file, rows[0]!.link!));
      assert.equal(answer.status, 200, file);
      return answer.text();
    };
    assert.deepEqual(
      rows.map(({ job, result, voting }) => [job, result, voting]),
      [['dsvm-multinode', 'SUCCESS', false]],
      await get('console.log'),
    );
    // Each logged in to the other by its name, as rally.
    assert.equal(await get('slave/peer.log'), 'master\n');
    assert.equal(await get('master/peer.log'), 'slave\n');
    assert.match(await get('plot.html'), /The instance moved/);
    for (const guest of ['slave', 'master']) {
      await get(`${guest}/stack.log.gz`);
      assert.match(await get(`consoles/${guest}.log`), /tiny: metadata at/);
    }
  }

  test('two guests of an image made by its scripts know and reach each other; one review, which does not vote', async (t) => {
    const began = performance.now();
    const number = await upload();
    const [review] = await reviewed(number, 1);
    t.diagnostic(
      `${Math.round((performance.now() - began) / 1000)} s from the upload to the review, with a cold image`,
    );
    await assertGood(review!);
    const change = gerrit.changes().find((one) => one.number === number)!;
    assert.deepEqual(
      change.patchsets.at(-1)!.votes.filter(({ by }) => by === 'my-ci'),
      [],
    );
    const clone = said(flow.node('clone-image', 'clone slave').id).join('\n');
    for (const progress of [/image base: /, /image .*init_dsvm \(1 of 2\)/, /image .*clone_projects \(2 of 2\)/]) {
      assert.match(clone, progress);
    }
    assert.match(domainTypes(), /"type": "(kvm|qemu)"/);
    nothingLeft();
  });

  test('imported as a copy it runs beside the first, on the same images', async () => {
    const types = domainTypes();
    const copy = flow.copy();
    assert.ok(copy.nodes.every(({ id }) => !flow.nodes.some((node) => node.id === id)));
    await red.deploy([...flow.nodes, ...copy.nodes]);
    await connected(red, flow);
    await connected(red, copy);
    const seen = red.statuses.length;
    const number = await upload();
    // The most private bridges that there are at once: each build has its own.
    let bridges: string[] = [];
    const look = setInterval(() => {
      const now = inventory()['links']!.filter((name) => name.startsWith('brci'));
      if (now.length > bridges.length) bridges = now;
    }, 500);
    try {
      const both = await reviewed(number, 2);
      assert.equal(both.length, 2, 'one of each flow');
      for (const review of both) await assertGood(review);
    } finally {
      clearInterval(look);
    }
    assert.deepEqual(bridges, ['brci0', 'brci1']);
    const later = red.statuses.slice(seen).map(({ text }) => text);
    assert.deepEqual(
      later.filter((text) => /image (base|cloning|init_dsvm)/.test(text)),
      [],
      'no image was made again',
    );
    assert.equal(domainTypes(), types, 'what was found out about KVM was remembered');
    nothingLeft();
  });
});
