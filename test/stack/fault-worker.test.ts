import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { handMade } from '../support/build-runs.ts';
import { make } from '../support/flow-builder.ts';
import { waitFor } from '../support/wait.ts';
import { BUILD_TIMEOUT_MS, type Outcome, runBuild } from './flow.ts';
import { assertEnd, at, Lab, scriptRuns } from './lab.ts';
import { inSandbox } from './support.ts';

inSandbox(import.meta.url, { limitMs: 500_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();

  /** Returns a lane whose only step is a script on the worker, which holds the slot for so many seconds. */
  const holding = (seconds: number, wait: string) => ({
    lane: {
      nodes: [
        ...lab.nodes({ slots: '1' }),
        make('ssh-exec', {
          id: 'hold',
          name: 'hold',
          target: 'host',
          host: 'ssh-host1',
          script: `sleep ${seconds}`,
          user: '',
          wires: [['publish-logs1'], []],
        }),
      ],
      clone: { wait },
    },
    changes: { 'clone-vm': { wires: [['hold']] } },
  });

  /** Returns an iptables rule that drops all packets to the worker's sshd. */
  const dropSshRule = () => ['INPUT', '-i', 'lo', '-p', 'tcp', '--dport', String(lab.sshd.port), '-j', 'DROP'];

  test('no free slot: builds wait in line, and each runs in its turn', async () => {
    const { lane, changes } = holding(4, '10');
    await lab.deploy(lane, changes);
    const builds: Promise<Outcome>[] = [];
    for (const state of ['cloning', 'waiting', 'waiting']) {
      const from = lab.red.events.length;
      builds.push(runBuild(lab.red, handMade()));
      await waitFor(`the build is ${state}`, () => at(state)(lab.red.events.slice(from)), 20_000);
    }
    const outcomes = await Promise.all(builds);
    for (const outcome of outcomes) assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    const ended = lab.red.events.filter((event) => event.kind === 'build-ended').map(({ label }) => label);
    assert.deepEqual(
      ended.slice(-3),
      outcomes.map(({ label }) => label),
    );
    const waits = lab.red.statuses.filter(({ id, text }) => id === 'clone-vm' && / in line /.test(text));
    assert.match(waits.at(-1)?.text ?? '', / 1st in line · 1\/1 slots$/);
    assert.match(outcomes.at(-1)!.console, / \| Waiting for a slot: worker host-a has 1 of 1 slots in use\.\n/);
  });

  test('no free slot within the limit: NODE_FAILURE, no vote', async () => {
    const { lane, changes } = holding(12, '0.1');
    await lab.deploy(lane, changes);
    const first = runBuild(lab.red, handMade());
    await waitFor('the first has its slot', () => lab.red.runtime().supervisor.active()[0]?.resources.worker, 20_000);
    const second = await runBuild(lab.red, handMade());
    const says =
      /No worker had a free slot within 0\.1 min: worker host-a has 1 of 1 slots in use\. Add a worker host or slots/;
    assertEnd(lab.red, second, { result: 'NODE_FAILURE', at: 'clone vm', says });
    assertEnd(lab.red, await first, { result: 'SUCCESS', vote: 1 });
  });

  test('the worker is unreachable for a while during a step: the build continues', async () => {
    const rule = dropSshRule();
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; for i in 1 2 3 4 5 6 7 8; do sleep 1; echo $i; done' },
      {
        when: scriptRuns,
        async action() {
          execFileSync('iptables', ['-w', '-I', ...rule]);
          await sleep(5_000);
          execFileSync('iptables', ['-w', '-D', ...rule]);
        },
      },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    assert.match(outcome.console, /\| 1\n[\s\S]*\| 8\n/);
  });

  test('the worker becomes unreachable during a step and comes back later: NODE_FAILURE, no vote, and everything is removed', async () => {
    const rule = dropSshRule();
    const runtime = lab.red.runtime();
    const { connectLimit } = runtime;
    runtime.connectLimit = 2_000;
    runtime.services.reconnectTimeoutMs = 5_000;
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; sleep 300' },
      { when: scriptRuns, action: () => execFileSync('iptables', ['-w', '-I', ...rule]) },
    );
    const says = /The SSH connection to guest vm was lost: .*The patch is not blamed/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'work', says });
    assert.match(
      outcome.console,
      /Guest recheck-\w+-1-vm on worker host-a could not be removed: .*Recheck will keep trying\./,
    );
    // The old session would hold its forwarded port until its TCP connection times out, minutes later.
    await lab.sshd.stop();
    execFileSync('iptables', ['-w', '-D', ...rule]);
    await lab.sshd.start();
    runtime.connectLimit = connectLimit;
    delete runtime.services.reconnectTimeoutMs;
    await lab.assertNothingLeft(BUILD_TIMEOUT_MS);
  });

  test('logs cannot be fetched after a successful script: POST_FAILURE, no vote', async () => {
    const pause = make('delay', {
      id: 'pause',
      pauseType: 'delay',
      timeout: '3',
      timeoutUnits: 'seconds',
      outputs: 1,
      wires: [['publish-logs1']],
    });
    await lab.deploy(
      { nodes: [...lab.nodes(), pause], publish: { files: [{ guest: '', path: '/etc/os-release', dir: '' }] } },
      { 'ssh-exec1': { wires: [['pause'], []] } },
    );
    const ending = runBuild(lab.red);
    const from = lab.red.events.length;
    await waitFor(
      'its script has passed',
      () => lab.red.events.slice(from).some((event) => event.kind === 'step-ended' && event.node === 'ssh-exec1'),
      BUILD_TIMEOUT_MS,
    );
    const domain = execFileSync('virsh', ['-q', 'list', '--name'], { encoding: 'utf8' }).trim();
    await lab.sshd.stop();
    execFileSync('virsh', ['-q', 'destroy', domain]);
    await lab.sshd.start();
    const says = /^The logs could not be fetched: vm: .*it powered off, or somebody destroyed it/;
    const outcome = await ending;
    assertEnd(lab.red, outcome, { result: 'POST_FAILURE', at: 'publish logs' });
    assert.match(outcome.fault!.message!, says);
  });

  test('the worker’s host key changes: it is refused, and no build runs there', async () => {
    const file = join(lab.sshd.dir, 'host_key');
    const own = readFileSync(file);
    await lab.sshd.stop();
    writeFileSync(file, lab.sshd.keygen('other', '-t', 'ed25519').privateKey);
    await lab.sshd.start();
    const outcome = await lab.run({ clone: { wait: '0.1' } });
    const says =
      /No worker had a free slot within 0\.1 min: worker host-a .*its host key changed from SHA256:.*clear the pinned key/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
    await lab.sshd.stop();
    writeFileSync(file, own);
    await lab.sshd.start();
    assertEnd(lab.red, await lab.run({}), { result: 'SUCCESS', vote: 1 });
  });
});
