import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowNode } from '../../lib/builds/flow-graph.ts';
import type { StepSpec, StepWork } from '../../lib/builds/step.ts';
import { Supervisor } from '../../lib/builds/supervisor.ts';
import type { Message } from '../../lib/builds/types.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { diskFull } from '../../lib/errors/libvirt.ts';
import { networkDown } from '../../lib/errors/libvirt-network.ts';
import type { Worker } from '../../lib/worker/types.ts';
import { FakeFlow, request } from '../support/fake-flow.ts';
import { waitFor } from '../support/wait.ts';

const spec = (node: string, more: Partial<StepSpec> = {}): StepSpec => ({
  node,
  type: 'ssh-exec',
  name: node,
  when: 'passing',
  timed: false,
  ...more,
});
const good: StepWork = async () => ({ result: 'SUCCESS' });

/** Builds a lane ci-jobs → step → gerrit-review, and records its reports. */
function lane(nodes?: FlowNode[]) {
  const flow = new FakeFlow(
    nodes ?? [
      { id: 'jobs', type: 'ci-jobs', wires: [['step']] },
      { id: 'step', type: 'ssh-exec', wires: [['review']] },
      { id: 'review', type: 'gerrit-review', wires: [[]] },
    ],
  );
  const supervisor = new Supervisor(flow, () => undefined);
  flow.supervisor = supervisor;
  const reports = () => flow.reports();
  const review = (node: string) => flow.inputs.set(node, (message) => supervisor.report(node, message));
  const step = (node: string, work: StepWork = good, more: Partial<StepSpec> = {}) =>
    flow.inputs.set(node, (message) => supervisor.step(spec(node, more), message, work));
  review('review');
  step('step');
  return { flow, supervisor, reports, review, step };
}

test('a build whose step ends during a deploy continues after the deploy', async () => {
  const { flow, supervisor, reports, step } = lane();
  const ends = Promise.withResolvers<void>();
  step('step', async () => {
    await ends.promise;
    return { result: 'SUCCESS' };
  });
  const { started } = await supervisor.start(request(['unit']));
  await waitFor('the step runs', () => started[0]!.running.size === 1);
  supervisor.deploying();
  flow.closed.add('step').add('review').add('jobs');
  ends.resolve();
  // Longer than it takes for a message to count as lost.
  await new Promise((resolve) => setTimeout(resolve, 600));
  flow.closed.clear();
  supervisor.deployed();
  await waitFor('it is reported', () => reports().length === 1);
  assert.equal(started[0]!.result, undefined);
  assert.deepEqual(flow.warnings(), []);
});

test('a buildset that completes during a deploy is reported once, after the deploy', async () => {
  const { flow, supervisor, reports } = lane();
  flow.onEvent = ({ kind }) => {
    if (kind !== 'build-ended') return;
    supervisor.deploying();
    flow.closed.add('review');
  };
  await supervisor.start(request(['unit']));
  await waitFor('it arrived', () => flow.closed.has('review'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(reports().length, 0);
  flow.closed.clear();
  supervisor.deployed();
  await waitFor('it is reported', () => reports().length > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(reports().length, 1);
});

test('what a step acquires while its build ends is released', async () => {
  const { supervisor, step } = lane();
  const taken = Promise.withResolvers<void>();
  let released = 0;
  step(
    'step',
    async ({ build, signal }) => {
      await taken.promise;
      build.resources.onRelease('The slot', async () => {
        released += 1;
      });
      signal.throwIfAborted();
      return { result: 'SUCCESS' };
    },
    { when: 'always' },
  );
  const { started } = await supervisor.start(request(['unit']));
  await waitFor('the step runs', () => started[0]!.running.size === 1);
  const ended = supervisor.end(started[0]!);
  let over = false;
  // A second call waits for the same end.
  const again = supervisor.end(started[0]!).then(() => {
    over = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(over, false);
  taken.resolve();
  await Promise.all([ended, again]);
  assert.equal(released, 1);
});

test('each review reports the jobs whose lanes lead to it', async () => {
  const { supervisor, reports, review, step } = lane([
    { id: 'jobs', type: 'ci-jobs', wires: [['step'], ['other']] },
    { id: 'step', type: 'ssh-exec', wires: [['review']] },
    { id: 'other', type: 'ssh-exec', wires: [['second']] },
    { id: 'review', type: 'gerrit-review', wires: [[]] },
    { id: 'second', type: 'gerrit-review', wires: [[]] },
  ]);
  review('second');
  step('other', async () => ({ result: 'FAILURE' }));
  const asked = request(['unit', 'lint']);
  asked.jobs[1]!.port = 1;
  await supervisor.start(asked);
  await waitFor('both are reported', () => reports().length === 2);
  const told = Object.fromEntries(reports().map(({ review: node, jobs }) => [node, jobs]));
  assert.deepEqual(told, { review: ['unit'], second: ['lint'] });
});

test('a recheck supersedes only the jobs that it runs; the older builds of other jobs are still reported', async () => {
  const { supervisor, reports, step } = lane();
  const gate = Promise.withResolvers<void>();
  step('step', async ({ build, signal }) => {
    if (build.set.request.trigger.type === 'patchset' && build.spec.name === 'slow') await gate.promise;
    signal.throwIfAborted();
    return { result: 'SUCCESS' };
  });
  const first = await supervisor.start(request(['unit', 'slow']));
  await waitFor('the first has ended', () => first.started[0]!.endedAt);
  const recheck = request(['unit']);
  recheck.trigger.type = 'recheck';
  await supervisor.start(recheck);
  await waitFor('the recheck is reported', () => reports().length === 1);
  gate.resolve();
  await waitFor('the older build is reported', () => reports().length === 2);
  assert.deepEqual(
    reports().map(({ jobs }) => jobs),
    [['unit'], ['slow']],
  );
});

test('a late branch changes nothing and causes a warning', async () => {
  const { flow, supervisor, reports } = lane();
  const { started } = await supervisor.start(request(['unit']));
  await waitFor('it is reported', () => reports().length === 1);
  const message = { ...flow.sent.at(-1)!.message, result: 'FAILURE', env: { A: '1' } };
  flow.inject('review', message);
  await waitFor('there is a warning', () => flow.warnings().length > 0);
  assert.match(flow.warnings()[0]!, /arrived at "gerrit-review" after/);
  assert.equal(started[0]!.result, undefined);
  assert.deepEqual(started[0]!.env, {});
});

test('a change of msg.build is ignored, with a warning that names the node that made it', async () => {
  const { flow, supervisor, reports } = lane([
    { id: 'jobs', type: 'ci-jobs', wires: [['step']] },
    { id: 'step', type: 'ssh-exec', name: 'run its tests', wires: [['review']] },
    { id: 'review', type: 'gerrit-review', wires: [[]] },
  ]);
  const input = flow.inputs.get('review')!;
  flow.inputs.set('review', (message) => input({ ...message, build: { ...message.build!, job: 'mine' } }));
  await supervisor.start(request(['unit']));
  await waitFor('it is reported', () => reports().length === 1);
  assert.match(flow.warnings()[0] ?? '', /"run its tests" changed msg.build/);
});

for (const theirs of [diskFull('worker a', 'd', 'No space left on device'), networkDown('worker a', 'default')])
  test(`a step that meets ${theirs.code} makes its worker the last choice; a full disk of the controller does not`, async () => {
    const { supervisor, reports, step } = lane();
    const [full, other] = ['a', 'b'].map(
      (id) => ({ id, label: id, slots: id === 'a' ? 9 : 1, isolated: true }) as unknown as Worker,
    );
    const asked = { limit: 1_000, trusted: true, signal: new AbortController().signal, onWait() {} };
    const runOn = async (fault: CiError, run: string) => {
      step('step', async ({ build }) => {
        build.resources.worker = full;
        throw fault;
      });
      const before = reports().length;
      await supervisor.start(request(['unit']));
      await waitFor('it is reported', () => reports().length > before);
      return (await supervisor.scheduler.acquire(run, () => [full!, other!], asked)).id;
    };
    const own = new CiError({
      code: 'disk-full',
      blame: 'controller',
      message: 'The logs’ disk is full.',
      result: 'DISK_FULL',
    });
    assert.equal(await runOn(own, '1'), 'a');
    assert.equal(await runOn(theirs, '2'), 'b');
  });

test('a warning says that a report was lost because its gerrit-review was deleted', async () => {
  const { flow, supervisor } = lane();
  flow.onEvent = ({ kind }) => {
    if (kind === 'build-ended') flow.closed.add('review');
  };
  await supervisor.start(request(['unit']));
  await waitFor('there is a warning', () => flow.warnings().length > 0);
  assert.match(flow.warnings()[0]!, /gerrit-review node that should report 1,1 is no longer in the flow/);
});

test('a job with a longer time limit than a timer supports does not time out at once', async () => {
  const { supervisor, reports, step } = lane();
  step(
    'step',
    async ({ signal }) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      signal.throwIfAborted();
      return { result: 'SUCCESS' };
    },
    { timed: true },
  );
  const asked = request(['unit']);
  asked.jobs[0]!.timeout = 60 * 24 * 3600_000;
  const { started } = await supervisor.start(asked);
  await waitFor('it is reported', () => reports().length === 1);
  assert.equal(started[0]!.result, undefined);
});

test('a build whose resources take long to release is still reported', async () => {
  const { flow, supervisor, reports } = lane([
    { id: 'jobs', type: 'ci-jobs', wires: [['publish']] },
    { id: 'publish', type: 'publish-logs', wires: [['review']] },
    { id: 'review', type: 'gerrit-review', wires: [[]] },
  ]);
  flow.inputs.set('publish', (message) =>
    supervisor.joinBranches({ node: 'publish' }, message, async (build, last) => {
      // As if its guests and disks had taken long to remove.
      build.tracker.movedAt = Date.now() - 60_000;
      await supervisor.end(build);
      supervisor.send(build, 'publish', 0, last);
      return undefined;
    }),
  );
  await supervisor.start(request(['unit']));
  await waitFor('it is reported', () => reports().length > 0);
  assert.deepEqual(
    reports().map(({ jobs }) => jobs),
    [['unit']],
  );
});

test('a Catch node behind publish-logs does not change the result of a build that has ended', async () => {
  const { flow, supervisor, reports } = lane([
    { id: 'jobs', type: 'ci-jobs', wires: [['publish']] },
    { id: 'publish', type: 'publish-logs', wires: [['review']] },
    { id: 'review', type: 'gerrit-review', wires: [[]] },
  ]);
  const publish = (message: Message) =>
    supervisor.joinBranches({ node: 'publish' }, message, async (build, last) => {
      await supervisor.end(build);
      // As a node of the user's own that fails, and a Catch node that is wired to the review.
      supervisor.send(build, 'publish', 0, { ...last, error: { message: 'mail server down' } });
      return undefined;
    });
  flow.inputs.set('publish', publish);
  const { started } = await supervisor.start(request(['unit']));
  await waitFor('it is reported', () => reports().length > 0);
  assert.equal(started[0]!.result, undefined);
});
