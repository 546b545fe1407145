import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';

const onHost = { target: 'host', host: 'host' };
/** Converts seconds to a job's time limit in ci-jobs, which is in minutes. */
const minutes = (seconds: number): string => String(seconds / 60);

describe('steps that run always or on failure, second outputs, and time limits', { concurrency: true }, () => {
  const steps = (id: string, script: string): Tab =>
    new Tab(id)
      .jobs()
      .exec('work', script, onHost)
      .exec('passing', 'echo only when passing', onHost)
      .exec('always', 'echo always', { ...onHost, when: 'always' })
      .exec('failure', 'echo on failure', { ...onHost, when: 'failure' })
      .publish()
      .review()
      .line('jobs', 'work', 'passing', 'always', 'failure', 'publish', 'review');
  const fails = steps('fails', 'exit 5');
  const passes = steps('passes', 'true');
  const lines = new Tab('lines')
    .jobs()
    .exec('talk', 'echo one\necho two\necho three', onHost)
    .publish()
    .review()
    .debug('out')
    .line('jobs', 'talk', 'publish', 'review')
    .wire('talk', 'out', 1);
  const slow = new Tab('slow')
    .jobs([{ name: 'unit', timeout: minutes(1) }])
    .guest()
    .exec('work', 'echo begun\nsleep 60 & echo $! > child\nwait')
    .exec('more', 'echo never')
    .exec(
      'post',
      'sleep 0.5\ncase "$(cat "/proc/$(cat child)/stat" 2>/dev/null)" in ""|*") Z "*) echo all ended;; *) echo still running;; esac',
      { when: 'always' },
    )
    .publish()
    .review()
    .line('jobs', 'clone')
    .line('boot', 'work', 'more', 'post', 'publish', 'review');
  // The delay is longer than the time limit, which only counts scripts.
  const waits = new Tab('waits')
    .jobs([{ name: 'unit', timeout: minutes(1) }])
    .delay('wait', 2)
    .exec('work', 'echo ran', onHost)
    .publish()
    .review()
    .line('jobs', 'wait', 'work', 'publish', 'review');
  const twoSteps = new Tab('twoSteps')
    .jobs([{ name: 'unit', timeout: minutes(4) }])
    .exec('first', 'sleep 2', onHost)
    .exec('second', 'sleep 30', onHost)
    .publish()
    .review()
    .line('jobs', 'first', 'second', 'publish', 'review');
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([fails, passes, lines, slow, waits, twoSteps]);
  });
  after(() => ci.close());

  test('after a failure, steps are skipped, except those that run always or on failure', async () => {
    const { results, vote, console, builds } = await ci.verdict(await ci.run(fails));
    assert.deepEqual([results, vote], [{ unit: 'FAILURE' }, -1]);
    assert.deepEqual(
      builds[0]!.steps.map(({ name }) => name),
      ['work', 'always', 'failure', 'publish'],
    );
    assert.match(console, /always[\s\S]*on failure/);
    assert.doesNotMatch(console, /only when passing/);
  });

  test('if nothing failed, steps that run on failure are skipped', async () => {
    const { results, builds } = await ci.verdict(await ci.run(passes));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.deepEqual(
      builds[0]!.steps.map(({ name }) => name),
      ['work', 'passing', 'always', 'publish'],
    );
  });

  test('the second output sends lines without msg.build, and is not a branch of the build', async () => {
    const { results, builds } = await ci.verdict(await ci.run(lines));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    const messages = ci.red.received(lines.idOf('out'));
    assert.deepEqual(
      messages.flatMap(({ payload }) => payload),
      ['one', 'two', 'three'],
    );
    for (const message of messages) {
      assert.equal('build' in message, false);
      assert.deepEqual([message['buildId'], message['topic']], [builds[0]!.id, 'demo']);
    }
  });

  test("a script that exceeds the job's time limit is TIMED_OUT, its processes end, and a step that runs always still runs", async () => {
    const { results, vote, console, builds } = await ci.verdict(await ci.run(slow));
    assert.deepEqual([results, vote], [{ unit: 'TIMED_OUT' }, -1]);
    assert.deepEqual(
      builds[0]!.steps.slice(3).map(({ name, result }) => [name, result]),
      [
        ['work', 'TIMED_OUT'],
        ['post', 'SUCCESS'],
        ['publish', 'SUCCESS'],
      ],
    );
    assert.match(console, /begun[\s\S]*The job exceeded its time limit of 0.02 min[\s\S]*all ended/);
  });

  test("waiting before the first script does not count towards the job's time limit", async () => {
    const { results } = await ci.verdict(await ci.run(waits));
    assert.deepEqual(results, { unit: 'SUCCESS' });
  });

  test("the job's time limit counts all its scripts together", async () => {
    const { results, builds } = await ci.verdict(await ci.run(twoSteps));
    assert.deepEqual(results, { unit: 'TIMED_OUT' });
    assert.deepEqual(
      builds[0]!.steps.map(({ result }) => result),
      ['SUCCESS', 'TIMED_OUT', 'SUCCESS'],
    );
    assert.ok(builds[0]!.steps[1]!.duration < 20_000, `${builds[0]!.steps[1]!.duration} ms`);
  });
});
