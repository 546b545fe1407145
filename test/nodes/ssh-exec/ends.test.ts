import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { assertStatusTexts, handMade, logOf, run } from '../../support/build-runs.ts';
import { execThere, scriptLane } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { runs, waitFor } from '../../support/wait.ts';

describe('ssh-exec: endless scripts and floods of output', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  const pair = generateKeyPair('test');
  let red: TestRed;
  let server: TestSshServer;

  before(async () => {
    server = await startSshServer({ authorized: [pair.publicKey] });
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    await server?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const deploy = (steps: FlowConfig[], job1: Record<string, unknown> = {}) =>
    red.deploy(scriptLane(server.port, pair.privateKey, steps, job1));
  const vote = (value: string) =>
    waitFor(`the review would be ${value}`, () => red.status('gerrit-review1').endsWith(`dry run: ${value}`));

  test('a step that exceeds its own time limit is TIMED_OUT with a vote, and its processes are terminated', async () => {
    const file = join(dir, 'timed');
    await deploy([execThere({ script: `sleep 300 & echo $$ $! >${file}; wait`, timeout: '0.01' })]);
    const ended = await run(red);
    assert.equal(ended.result, 'TIMED_OUT');
    assert.match(ended.build.steps[0]!.message!, /exceeded its own time limit of 1 s/);
    assert.match(await logOf(ended), /exceeded its own time limit/);
    for (const pid of readFileSync(file, 'utf8').trim().split(' '))
      assert.ok(!(await runs(Number(pid))), `process ${pid}`);
    await vote('Verified -1');
  });

  test('the job’s time limit counts its scripts; later steps are skipped, except those that run always', async () => {
    await deploy(
      [
        execThere({ id: 'one', name: 'one', script: 'sleep 300' }),
        execThere({ id: 'two', name: 'two', script: 'echo never' }),
        execThere({ id: 'three', name: 'three', script: 'echo tidied up', when: 'always' }),
      ],
      { timeout: '0.01' },
    );
    const ended = await run(red);
    assert.equal(ended.result, 'TIMED_OUT');
    assert.deepEqual(
      ended.build.steps.filter(({ type }) => type === 'ssh-exec').map(({ name, result }) => [name, result]),
      [
        ['one', 'TIMED_OUT'],
        ['three', 'SUCCESS'],
      ],
    );
    const log = await logOf(ended);
    assert.match(log, /The job exceeded its time limit of .* min\./);
    assert.match(log, /tidied up/);
    assert.doesNotMatch(log, /never/);
  });

  test('an abort ends the whole process group on the target', async () => {
    const file = join(dir, 'aborted');
    await deploy([
      execThere({ script: `(trap "" TERM; sleep 300) & sleep 301 & echo $$ $! $(jobs -p) >${file}; wait` }),
    ]);
    const ended = run(red);
    await waitFor('the script runs', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    const pids = [...new Set(readFileSync(file, 'utf8').trim().split(/\s+/).map(Number))];
    assert.ok(pids.length >= 3, pids.join());
    for (const pid of pids) assert.ok(await runs(pid), `process ${pid} runs`);
    red.send('ci-jobs1', { kill: true });
    const { result, build } = await ended;
    assert.equal(result, 'ABORTED');
    assert.equal(build.steps[0]!.message, 'The build was aborted: stopped in the editor.');
    for (const pid of pids) await waitFor(`process ${pid} is gone`, async () => !(await runs(pid)));
    await vote('no vote');
  });

  test('a build with a flood of output passes; lines are sent in limited batches, and dropped ones are counted', async () => {
    await deploy([
      execThere({ script: 'yes "a line of some length, again and again" | head -n 400000', wires: [[], ['lines']] }),
    ]);
    const before = red.received('lines').length;
    const ended = await run(red, handMade(), 30_000);
    assert.equal(ended.result, 'SUCCESS');
    await waitFor('the lines are sent', () => red.received('lines').length > before);
    const batches = red.received('lines').slice(before) as unknown as {
      payload: string[];
      dropped?: number;
      buildId: string;
      topic: string;
      build?: unknown;
    }[];
    const [first] = batches;
    assert.deepEqual([first!.topic, first!.buildId, first!.build], ['demo', ended.build.id, undefined]);
    for (const { payload } of batches) assert.ok(payload.join('\n').length <= 64 * 1024, 'at most 64 KiB');
    const shown = batches.reduce((sum, { payload }) => sum + payload.length, 0);
    const dropped = batches.reduce((sum, batch) => sum + (batch.dropped ?? 0), 0);
    assert.ok(dropped > 0, 'some were dropped');
    assert.ok(Math.abs(shown + dropped - 400_001) < batches.length * 2 + 2, `${shown} shown, ${dropped} dropped`);
    assert.ok(batches.length <= ended.duration / 100 + 2, `${batches.length} batches in ${ended.duration} ms`);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
