import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import RED from 'node-red';
import type { Storage, Worker } from '../../../lib/worker/types.ts';
import { ask } from '../../support/build-runs.ts';
import { flow, make } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

interface Shown {
  worker: string;
  label: string;
  state: string;
  text?: string;
  since?: number;
  console: boolean;
}

describe('admin routes of vm-image', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  const unhandled: unknown[] = [];
  let red: TestRed;

  before(async () => {
    process.on('unhandledRejection', (reason) => unhandled.push(reason));
    mkdirSync(join(dir, 'base'));
    red = await startRed();
    const host = (id: string) =>
      make('worker-host', { id: `worker-${id}`, name: id, strangers: true, path: join(dir, id), slots: '1' });
    await red.deploy(
      flow(
        host('here'),
        host('there'),
        host('off'),
        { ...host('lost'), kind: 'libvirt', host: 'nowhere' },
        make('vm-image', { id: 'empty1', name: 'empty' }),
        make('vm-image', { id: 'base1', name: 'base', source: 'directory', path: join(dir, 'base') }),
        make('vm-image', { id: 'child1', name: 'child', source: 'parent', parent: 'empty1', scripts: [] }),
        make('vm-image', { id: 'url1', name: 'url', source: 'url', url: 'https://x.example.com/a.qcow2' }),
        make('vm-image', { id: 'lost1', name: 'lost', source: 'parent', parent: '' }),
      ).map((node) => (node.id === 'worker-off' ? { ...node, d: true } : node)),
    );
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const storage = (id: string): Storage =>
    (RED.nodes as unknown as { getNode(id: string): { worker: Worker } }).getNode(`worker-${id}`).worker.storage;
  const imageStates = async (image: string): Promise<Shown[]> => {
    const answer = await ask(red, 'GET', `images/${image}`);
    assert.equal(answer['ok'], true, JSON.stringify(answer));
    return answer['workers'] as Shown[];
  };
  const stateOn = async (image: string, worker = 'here') =>
    (await imageStates(image)).find((row) => row.worker === `worker-${worker}`)!;
  const build = (image: string, worker = 'here') =>
    ask(red, 'POST', `images/${image}/build`, { worker: `worker-${worker}` });
  const waitForState = (image: string, state: string) =>
    waitFor(`${image} is ${state}`, async () => {
      const now = await stateOn(image);
      return now.state === state && now;
    });

  test('the image’s state is listed for every worker host, and the image is built on the requested one', async () => {
    const { image } = await ask(red, 'GET', 'images/empty1');
    assert.match(String(image), /^empty@[0-9a-f]{12}$/);
    assert.deepEqual(
      (await imageStates('empty1')).map(({ label, state }) => `${label}: ${state}`),
      ['worker here: absent', 'worker there: absent', 'lost: unknown'],
    );
    assert.deepEqual(await build('empty1'), { ok: true });
    await waitForState('empty1', 'there');
    assert.ok(statSync(join(dir, 'here', 'images', String(image))).isDirectory());
    assert.equal((await stateOn('empty1', 'there')).state, 'absent');
  });

  test('the progress of an image build is shown, and repeated requests build the image once', async () => {
    const gate = Promise.withResolvers<void>();
    const own = storage('here');
    const { make: real } = own;
    let times = 0;
    own.make = async (image, options) => {
      times += 1;
      options.onProgress?.('62 %');
      await gate.promise;
      await real.call(own, image, options);
    };
    await build('base1');
    const making = await waitForState('base1', 'making');
    assert.equal(making.text, '62 %');
    assert.ok(Math.abs(Date.now() - making.since!) < 60_000);
    await build('base1');
    gate.resolve();
    await waitForState('base1', 'there');
    assert.equal(times, 1);
    own.make = real;
  });

  test('the reason of a failure is shown until the image is built', async () => {
    await build('url1');
    const failed = await waitForState('url1', 'failed');
    assert.match(failed.text!, /^Image url is a disk for virtual machines, but the sandbox worker only has folders\./);
    assert.equal(failed.console, false);
    // Another request starts a new attempt immediately.
    await build('url1');
    assert.doesNotMatch((await waitForState('url1', 'failed')).text!, /built again when/);
  });

  test('an unreachable worker is listed with the reason, and the others with their state', async () => {
    const own = storage('there');
    const { has } = own;
    own.has = async () => {
      throw new Error('worker there: no route');
    };
    assert.deepEqual(
      (await imageStates('empty1')).slice(0, 2).map(({ state, text }) => [state, text]),
      [
        ['there', undefined],
        ['unknown', 'worker there: no route'],
      ],
    );
    await build('empty1', 'there');
    own.has = has;
    const gone = await stateOn('empty1', 'lost');
    assert.deepEqual([gone.label, gone.state], ['lost', 'unknown']);
    assert.match(gone.text!, /SSH host/i);
    assert.match(String((await build('empty1', 'lost'))['error']), /SSH host/i);
  });

  test('the console of the last image build is served as plain text, which a browser does not execute', async () => {
    const read = (query: string) => fetch(`${red.url}/recheck/images/child1/console?worker=worker-here${query}`);
    const none = await read('');
    assert.equal(none.status, 404);
    assert.match(await none.text(), /^There is no console of this image on that worker/);
    await build('child1');
    const failed = await waitForState('child1', 'failed');
    assert.match(failed.text!, /^Image child is a disk for virtual machines/);
    assert.equal(failed.console, true);
    const whole = await read('');
    assert.equal(whole.status, 200);
    assert.match(whole.headers.get('content-type')!, /^text\/plain; charset=utf-8$/i);
    assert.equal(whole.headers.get('x-content-type-options'), 'nosniff');
    assert.match(whole.headers.get('content-security-policy')!, /sandbox/);
    const text = await whole.text();
    assert.match(text, / \| === cloning\n/);
    assert.match(text, /Image child/);
    assert.equal(await (await read('&tail=20')).text(), text.slice(-20));
    assert.equal(await (await read('&tail=9999999')).text(), text);
    assert.equal((await read('&tail=nonsense')).status, 200);
  });

  test('requests for undeployed nodes, without a worker, or from another site are refused with a reason', async () => {
    const refused = async (answer: Promise<Record<string, unknown>>, why: RegExp) => {
      const { ok, error } = await answer;
      assert.equal(ok, false);
      assert.match(String(error), why);
    };
    await refused(ask(red, 'GET', 'images/nowhere'), /not deployed yet/);
    await refused(ask(red, 'GET', 'images/worker-here'), /not deployed yet/);
    await refused(ask(red, 'GET', 'images/lost1'), /Image lost: its parent does not exist/);
    await refused(build('lost1'), /Image lost: its parent does not exist/);
    await refused(build('empty1', 'off'), /worker host is not deployed/);
    await refused(ask(red, 'POST', 'images/empty1/build', {}), /worker host is not deployed/);
    const answer = await fetch(`${red.url}/recheck/images/empty1/build`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'http://evil.example.com' },
      body: JSON.stringify({ worker: 'worker-there' }),
    });
    assert.match(String(((await answer.json()) as { error: string }).error), /another site/);
    assert.equal((await stateOn('empty1', 'there')).state, 'absent');
    for (const query of ['', '?worker=../../x']) {
      const lost = await fetch(`${red.url}/recheck/images/empty1/console${query}`);
      assert.equal(lost.status, 404);
    }
  });

  test('no rejection was unhandled', () => assert.deepEqual(unhandled, []));
});
