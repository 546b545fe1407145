import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { assertStatusTexts, faults, handMade, logOf, run, variable } from '../../support/build-runs.ts';
import { flow, guests, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('publish-logs', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const publish = (settings: Record<string, unknown> = {}) =>
    make('publish-logs', { name: '', files: [], ...settings });
  const exec = (id: string, script: string) => make('ssh-exec', { id, name: id, script, interpreter: '/bin/sh -e' });
  /** Deploys a lane with one guest, in which a script writes the files to be fetched. */
  const deploy = (script: string, ...rest: FlowConfig[]) =>
    red.deploy(
      flow(
        ...guests('vm'),
        ...row(jobs({ wires: [['clone-vm']] })),
        exec('work', script),
        ...row(...rest, make('gerrit-review', { silent: true }), make('debug', { id: 'out', active: false })),
      ).map((node) => (node.id === 'work' ? { ...node, wires: [[rest[0]!.id], []] } : node)),
    );
  const workerEmpty = () =>
    readdirSync(join(red.userDir, 'recheck/worker/clones')).filter((name) => !name.endsWith('.json'));

  test('rows fetch files, folders and patterns from one guest or all into folders; missing files are listed', async () => {
    await deploy(
      'mkdir -p logs/deep; echo one >logs/one.log; echo two >logs/deep/two.log; echo three >three.txt; echo "<script>" >page.html; echo packed | gzip -c >packed.txt.gz',
      publish({
        files: [
          { guest: '', path: 'logs', dir: 'all' },
          { guest: 'vm', path: '*.txt', dir: variable('TEST_DIR', 'texts') },
          { guest: 'vm', path: 'page.html', dir: '' },
          { guest: 'vm', path: 'packed.txt.gz', dir: '' },
          { guest: 'other', path: 'three.txt', dir: 'never' },
          { guest: '', path: 'nowhere/*.log', dir: '' },
          { guest: '', path: '', dir: '' },
        ],
      }),
    );
    const before = red.received('out').length;
    const ended = await run(red);
    assert.equal(ended.result, 'SUCCESS');
    assert.equal(await logOf(ended, 'all/one.log'), 'one\n');
    assert.equal(await logOf(ended, 'all/deep/two.log'), 'two\n');
    assert.equal(await logOf(ended, 'texts/three.txt'), 'three\n');
    assert.equal(await logOf(ended, 'packed.txt.gz'), 'packed\n', 'the client decompresses it');
    assert.match(await logOf(ended), /nowhere\/\*\.log does not exist/);
    assert.equal(red.status('publish-logs1'), `${ended.label}: 5 files`);
    const out = (await waitFor('the message is passed on', () => red.received('out')[before])) as {
      parts: object;
      build: { set: { id: string } };
    };
    assert.deepEqual(out.parts, { id: out.build.set.id, type: 'array', index: 0, count: 1 });
    assert.deepEqual(workerEmpty(), [], 'the guest is removed');
    const page = await logOf(ended, '');
    for (const file of ['all/deep/two.log', 'texts/three.txt', 'consoles/vm.log']) assert.ok(page.includes(file), file);
    assert.match(await logOf(ended, 'consoles/vm.log'), /sandbox guest/);
  });

  test('scripts in served files do not run in Node-RED’s origin', async () => {
    await deploy(
      'echo "<script>alert(1)</script>" >page.html',
      publish({ files: [{ guest: '', path: 'page.html', dir: '' }] }),
    );
    const { build } = await run(red);
    for (const [file, type] of [
      ['', 'text/html'],
      ['console.html', 'text/html'],
      ['console.log', 'text/plain'],
      ['build.json', 'application/json'],
      ['page.html', 'text/html'],
    ] as const) {
      const { headers, status } = await fetch(new URL(file, build.logUrl));
      assert.equal(status, 200, file);
      assert.ok(headers.get('content-type')!.startsWith(type), `${file}: ${headers.get('content-type')}`);
      assert.equal(headers.get('x-content-type-options'), 'nosniff', file);
      assert.match(headers.get('content-security-policy') ?? '', /^sandbox.*default-src 'none'/, file);
      if (file === 'page.html') assert.doesNotMatch(headers.get('content-security-policy')!, /allow-/);
    }
    const outside = await fetch(`${build.logUrl}../../../../../../../flows.json`);
    assert.equal(outside.status, 404);
    assert.equal((await fetch(build.logUrl!, { method: 'DELETE' })).status, 405);
  });

  test('the page has its final address from the start of the build', async () => {
    await deploy('echo begun; sleep 0.6', publish());
    const ended = run(red);
    const started = await red.event(
      'build-started',
      ({ build }) => !red.events.some((event) => event.kind === 'build-ended' && event.build?.id === build?.id),
    );
    const url = started.build!.logUrl!;
    const page = await (await fetch(url)).text();
    assert.match(page, /running/i);
    assert.equal((await ended).build.logUrl, url);
    assert.match(await (await fetch(url)).text(), /SUCCESS/);
  });

  test('folder and public URL are configurable; the path is change, patchset, pipeline, job, build', async () => {
    const root = join(dir, 'logs');
    await deploy(
      'true',
      publish({ root: variable('TEST_ROOT', root), url: variable('TEST_URL', 'https://ci.example.com/logs/') }),
    );
    const { build, label } = await run(red);
    const path = `${label.replace(',', '/')}/check/unit/${build.id}/`;
    assert.equal(build.logUrl, `https://ci.example.com/logs/${path}`);
    assert.ok(existsSync(join(root, path, 'index.html')));
    const served = await fetch(`${red.url}/recheck/logs-2/${path}`);
    assert.equal(served.status, 200, 'another folder is served too');
  });

  test('names from an event cannot leave the folder', async () => {
    const root = join(dir, 'hostile');
    const nodes = flow(
      ...row(
        jobs({ pipeline: '../../p', jobs: [{ name: '../..', voting: true, lane: 'lane-1', timeout: '1' }] }),
        publish({ root }),
      ),
    );
    await red.deploy(nodes);
    const message = handMade({ project: '../../../etc' });
    await run(red, message);
    assert.ok(
      readdirSync(dir).every((name) => ['logs', 'hostile', 'old'].includes(name)),
      readdirSync(dir).join(),
    );
    assert.deepEqual(readdirSync(root), [String(message.change!.number)]);
  });

  test('a lane may publish and keep the guest, continue in it, and publish again', async () => {
    await deploy(
      'echo first >a.txt',
      publish({ id: 'keep', name: 'first logs', then: 'keep', files: [{ guest: '', path: 'a.txt', dir: '' }] }),
      { ...exec('more', 'echo second >b.txt'), wires: [['publish-logs1'], []] },
      publish({ files: [{ guest: '', path: 'b.txt', dir: '' }] }),
    );
    const ended = await run(red);
    assert.equal(ended.result, 'SUCCESS');
    assert.equal(await logOf(ended, 'a.txt'), 'first\n');
    assert.equal(await logOf(ended, 'b.txt'), 'second\n');
    assert.deepEqual(
      ended.build.steps.slice(3).map(({ name, result }) => `${name} ${result}`),
      ['work SUCCESS', 'first logs SUCCESS', 'more SUCCESS', 'publish-logs SUCCESS'],
    );
    assert.deepEqual(workerEmpty(), []);
  });

  test('a passed build whose logs cannot be fetched is reported as POST_FAILURE without a vote', async () => {
    await red.deploy(
      flow(
        ...guests('vm', 'delay1'),
        jobs({ wires: [['clone-vm']] }),
        ...row(
          make('delay', { pauseType: 'delay', timeout: '500', timeoutUnits: 'milliseconds', outputs: 1 }),
          publish({ files: [{ guest: '', path: 'x', dir: '' }] }),
          make('gerrit-review', { silent: true, vote: true }),
        ),
      ),
    );
    const ended = run(red, handMade(), 20_000);
    const guest = await waitFor(
      'the controller is logged in to the guest',
      () => {
        const vm = red.runtime().supervisor.active()[0]?.resources.guests.get('vm');
        return vm?.host && vm;
      },
      10_000,
    );
    await guest.worker.hypervisor.stop(guest.domain, { signal: AbortSignal.timeout(10_000) });
    const { result, build } = await ended;
    assert.equal(result, 'POST_FAILURE');
    assert.match(build.steps.at(-1)!.message!, /^The logs could not be fetched: vm: /);
    assert.match(red.status('publish-logs1'), /^POST_FAILURE: /);
    await waitFor('the review has no vote', () => red.status('gerrit-review1').endsWith('dry run: no vote'));
    assert.deepEqual(workerEmpty(), []);
  });

  test('a build without a guest has a page too', async () => {
    await red.deploy(flow(...row(jobs(), publish())));
    const ended = await run(red);
    assert.match(await logOf(ended, ''), /SUCCESS/);
    assert.equal(red.status('publish-logs1'), `${ended.label}: 0 files`);
  });

  test('retention: old logs are removed; empty fields keep them forever', async () => {
    const root = join(dir, 'old');
    const make1 = (id: string, days: number) => {
      const folder = join(root, '1', '1', 'check', 'unit', id);
      mkdirSync(folder, { recursive: true });
      const endedAt = new Date(Date.now() - days * 24 * 3600_000).toISOString();
      writeFileSync(join(folder, 'build.json'), JSON.stringify({ build: { id }, endedAt, size: 600_000_000 }));
      return folder;
    };
    const [ancient, old, young] = [make1('ancient', 400), make1('old', 40), make1('young', 1)];
    await red.deploy(flow(publish({ root, days: '', gigabytes: '' })));
    await red.deploy(flow(publish({ id: 'p2', root, days: '100', gigabytes: '' })));
    await waitFor('the oldest log is removed', () => !existsSync(ancient!));
    assert.ok(existsSync(old!), 'it is within the limit of 100 days');
    await red.deploy(flow(publish({ id: 'p3', root, days: variable('TEST_DAYS', '20'), gigabytes: '' })));
    await waitFor('the old log is removed', () => !existsSync(old!));
    await red.deploy(flow(publish({ id: 'p4', root, days: '', gigabytes: '1' })));
    assert.ok(existsSync(young!));
    make1('other', 2);
    await red.deploy(flow(publish({ id: 'p5', root, days: '', gigabytes: '1' })));
    await waitFor(
      'the size limit removes the older log',
      () => readdirSync(join(root, '1/1/check/unit')).join() === 'young',
    );
  });

  test('a public URL that only this machine can open causes a warning if Gerrit is on another machine', async () => {
    const target = {
      label: '',
      host: 'review.invalid',
      port: 29418,
      user: 'ci',
      privateKey: generateKeyPair('x').privateKey,
    };
    await red.deploy(flow(make('gerrit-server', { name: 'far', ...reaching(target) }), ...row(jobs(), publish())));
    await run(red, handMade({ server: 'gerrit-server1' }));
    const warned = () => red.logs.filter(({ id, level }) => id === 'publish-logs1' && level === 30);
    await waitFor('the warning is logged', () => warned().length === 1);
    assert.ok(warned()[0]!.msg.includes(red.url), warned()[0]!.msg);
    await run(red, handMade({ server: 'gerrit-server1' }));
    assert.equal(warned().length, 1, 'once');
  });

  test('a message without a build is passed on and causes an error', async () => {
    await red.deploy(flow(...row(publish(), make('debug', { id: 'out', active: false }))));
    const [before, caught] = [red.received('out').length, faults(red).length];
    red.send('publish-logs1', { payload: 'lost' });
    await waitFor('the message is passed on', () => red.received('out').length > before);
    await waitFor('the error reaches the Catch node', () => faults(red).length > caught);
    assert.match(faults(red).at(-1)!, /belongs to no running build.*Wire this node after a ci-jobs node/);
  });

  test('the build’s record is plain JSON with the same content as the page', async () => {
    await red.deploy(flow(...row(jobs(), publish({ root: join(dir, 'logs') }))));
    const { build, label } = await run(red);
    const file = join(dir, 'logs', `${label.replace(',', '/')}/check/unit/${build.id}/build.json`);
    const record = JSON.parse(readFileSync(file, 'utf8')) as { build: { id: string; result: string } };
    assert.deepEqual([record.build.id, record.build.result], [build.id, 'SUCCESS']);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
