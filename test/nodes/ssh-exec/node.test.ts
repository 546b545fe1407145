import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { assertStatusTexts, type Ended, faults, handMade, logOf, run, variable } from '../../support/build-runs.ts';
import { execThere, flow, jobs, make, scriptLane } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { waitFor } from '../../support/wait.ts';

describe('ssh-exec', () => {
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
  /** Deploys a lane with one script, and returns its ended build. */
  const script = async (text: string, settings: Record<string, unknown> = {}, job1 = {}): Promise<Ended> => {
    await deploy([execThere({ script: text, ...settings })], job1);
    return run(red);
  };
  const vote = (value: string) =>
    waitFor(`the review would be ${value}`, () => red.status('gerrit-review1').endsWith(`dry run: ${value}`));

  test('a passing script’s output is in the console unchanged, and its result in the message', async () => {
    const ended = await script('echo out; echo err >&2; printf "no end"');
    assert.equal(ended.result, 'SUCCESS');
    assert.match(await logOf(ended), /out\n.*\+ echo err\n.*err\n.*\+ printf 'no end'\n.*no end\n/);
    const step = ended.build.steps[0]!;
    assert.deepEqual([step.result, step.exitCode, step.type], ['SUCCESS', 0, 'ssh-exec']);
    assert.equal(red.status('ssh-exec1'), '1 ok');
    await vote('Verified +1');
  });

  test('a failing script causes a vote, and the page shows its exit code and last lines', async () => {
    const ended = await script('echo what went wrong; exit 3', { name: 'the test' });
    assert.equal(ended.result, 'FAILURE');
    assert.equal(ended.build.steps[0]!.message, 'host store: the script exited with code 3.');
    assert.equal(red.status('ssh-exec1'), 'FAILURE: exit 3');
    const page = await logOf(ended, '');
    assert.match(page, /what went wrong/);
    assert.match(page, /exit 3/);
    await vote('Verified -1');
    assert.equal(faults(red).length, 0, 'a failing test is not an error of the CI');
  });

  test('a killed script is a failure of the patch, with its signal', async () => {
    const ended = await script('kill -KILL $$');
    assert.equal(ended.result, 'FAILURE');
    assert.equal(ended.build.steps[0]!.signal, 'KILL');
    assert.equal(red.status('ssh-exec1'), 'FAILURE: signal KILL');
  });

  test('commands that read stdin do not consume the script', async () => {
    assert.equal((await script('cat >/dev/null\nfalse\n')).result, 'FAILURE');
    const ended = await script('read line || echo nothing to read\necho and on');
    assert.equal(ended.result, 'SUCCESS');
    assert.match(await logOf(ended), /nothing to read[\s\S]*and on/);
  });

  test('the trailing -s or - of rally-ci is dropped from interpreters; others are kept', async () => {
    for (const interpreter of ['/bin/bash -xe -s', '/bin/sh -', variable('SHELL_USED', '/bin/sh -e')]) {
      const ended = await script('cat >/dev/null\necho "arguments: $#"\nfalse\necho not here\n', { interpreter });
      assert.match(await logOf(ended), /arguments: 0/, interpreter);
      assert.equal(ended.result, interpreter === '/bin/sh -' ? 'SUCCESS' : 'FAILURE', interpreter);
    }
    const missing = await script('true', { interpreter: '/no/such/thing' });
    assert.notEqual(missing.result, 'SUCCESS');
    assert.match(await logOf(missing), /\/no\/such\/thing/);
  });

  test('a step’s variables override the job’s; they are data, and are not traced', async () => {
    const odd = `a 'b' "c" $(touch ${dir}/owned) \`d\`\nsecond ; line`;
    const ended = await script(
      'printf "<%s>" "$ODD" "$FROM_ENV" "$BOTH" "$GERRIT_PROJECT" "$GERRIT_CHANGE_SUBJECT"',
      {
        interpreter: '/bin/bash -x',
        env: [
          { name: 'ODD', value: odd },
          { name: 'FROM_ENV', value: variable('TEST_VALUE', 'from outside') },
          { name: 'BOTH', value: 'the step' },
        ],
      },
      { env: [{ name: 'BOTH', value: 'the job' }] },
    );
    const log = await logOf(ended);
    assert.ok(log.replace(/^\S+ \S+ \| /gm, '').includes(`<${odd}><from outside><the step><demo>`), log);
    assert.doesNotMatch(log, /export|declare/);
    assert.ok(!existsSync(join(dir, 'owned')));
    const message = handMade({ subject: odd });
    const hostile = await run(red, message);
    assert.equal(hostile.result, 'SUCCESS');
    assert.ok(!existsSync(join(dir, 'owned')));
    const bad = await script('true', { env: [{ name: '1 X', value: '' }] });
    assert.equal(bad.result, 'ERROR');
    assert.match(bad.build.steps[0]!.message!, /"1 X" cannot be set/);
  });

  test('secrets reach only the script: they are masked in console, page and lines, and are in no message', async () => {
    const secret = 'hunter2-and-more';
    const before = red.received('out').length;
    const ended = await script('test "$TOKEN" = hunter2-and-more; echo "token $TOKEN"; echo "gone: $GONE"; exit 1', {
      secretNames: ['TOKEN'],
      credentials: { secrets: JSON.stringify({ TOKEN: secret, GONE: 'removed-in-the-form' }) },
      interpreter: '/bin/bash -x',
      wires: [[], ['lines']],
    });
    assert.equal(ended.result, 'FAILURE');
    await waitFor('its message is sent', () => red.received('out').length > before);
    const log = await logOf(ended);
    assert.match(log, /token \*+/);
    assert.match(log, /gone: *\n/);
    const lines = await waitFor('lines are sent', () => red.received('lines').at(-1));
    assert.ok(JSON.stringify(lines).includes('token ***'));
    const everywhere = {
      log,
      page: await logOf(ended, ''),
      json: await logOf(ended, 'build.json'),
      consolePage: await logOf(ended, 'console.html'),
      lines: JSON.stringify(red.received('lines')),
      messages: JSON.stringify(red.received('out')),
      events: JSON.stringify(red.events),
      logs: JSON.stringify(red.logs),
      statuses: JSON.stringify(red.statuses),
    };
    // The script's own text contains the secret, too; it must not appear in anything that comes out.
    for (const [where, text] of Object.entries(everywhere)) assert.ok(!text.includes(secret), `in ${where}`);
  });

  test('a script runs as the configured user; invalid and unknown users are reported', async () => {
    const { username } = userInfo();
    const ended = await script('echo "I am $(id -un)"', { user: username });
    assert.equal(ended.result, 'SUCCESS');
    assert.ok((await logOf(ended)).includes(`I am ${username}`));
    const bad = await script('true', { user: 'a b' });
    assert.equal(bad.result, 'ERROR');
    assert.equal(
      bad.build.steps[0]!.message,
      '"a b" is not a user name that a script can run as. Enter a login name such as root or stack.',
    );
    const missing = await script('true', { user: 'no-such-user-here' });
    assert.equal(missing.result, 'NODE_FAILURE');
    assert.match(
      missing.build.steps[0]!.message!,
      /could not be started as user no-such-user-here: .*no-such-user-here/,
    );
  });

  test('steps run while the build passes, always, or only after a failure', async () => {
    const steps = (first: string) => [
      execThere({ id: 'one', name: 'one', script: first }),
      execThere({ id: 'passing', name: 'passing', script: 'true' }),
      execThere({ id: 'always', name: 'always', script: 'true', when: 'always' }),
      execThere({ id: 'failure', name: 'failure', script: 'exit 9', when: 'failure' }),
    ];
    const names = ({ build }: Ended) => build.steps.filter(({ type }) => type === 'ssh-exec').map(({ name }) => name);
    await deploy(steps('true'));
    const passed = await run(red);
    assert.deepEqual([passed.result, names(passed)], ['SUCCESS', ['one', 'passing', 'always']]);
    await deploy(steps('exit 2'));
    const failed = await run(red);
    assert.deepEqual([failed.result, names(failed)], ['FAILURE', ['one', 'always', 'failure']]);
    assert.equal(failed.build.steps[0]!.exitCode, 2, 'the first result is kept');
  });

  test('a guest that the build does not have is reported, with those that it has', async () => {
    const none = await script('true', { target: 'guest', guests: '' });
    assert.equal(none.result, 'ERROR');
    assert.match(
      none.build.steps[0]!.message!,
      /no booted guest.*Add a clone-image .* and a virsh-boot node before this step/,
    );
    const named = await script('true', { target: 'guest', guests: 'master' });
    assert.match(named.build.steps[0]!.message!, /^This build has no booted guest "master"\./);
  });

  test('several guests in parallel: each line is prefixed with the guest’s name; a failure stops the others', async () => {
    const boot = [
      make('clone-image', {
        id: 'a',
        guest: 'a',
        image: 'vm-image1',
        hosts: ['worker-host1'],
        addressEnv: 'A_IP',
        wires: [['b']],
      }),
      make('clone-image', {
        id: 'b',
        guest: 'b',
        image: 'vm-image1',
        hosts: ['worker-host1'],
        wires: [['metadata-server1']],
      }),
      make('metadata-server', { wires: [['virsh-boot1']] }),
      make('virsh-boot', { wires: [['both']] }),
    ];
    await red.deploy(
      flow(
        make('worker-host', { name: 'here', strangers: true }),
        make('vm-image', { name: 'empty' }),
        jobs({ wires: [['a']] }),
        ...boot,
        execThere({
          id: 'both',
          name: 'both',
          target: 'guest',
          guests: '',
          script: 'echo "$A_IP" >ip; echo hello',
          wires: [['one'], []],
        }),
        execThere({
          id: 'one',
          name: 'one',
          target: 'guest',
          guests: 'b',
          script: 'cat ip; echo just b',
          wires: [['fails'], []],
        }),
        execThere({
          id: 'fails',
          name: 'fails',
          target: 'guest',
          guests: 'a, b',
          script: 'case $HOME in *-b) exit 4;; esac; sleep 60',
          wires: [['publish-logs1'], []],
        }),
        make('publish-logs', { name: '', files: [], wires: [['gerrit-review1']] }),
        make('gerrit-review', { silent: true }),
      ),
    );
    const ended = await run(red, handMade(), 20_000);
    const log = await logOf(ended);
    assert.match(log, / \| a \| hello\n/);
    assert.match(log, / \| b \| hello\n/);
    assert.match(log, /127\.\d+\.\d+\.\d+\n[\s\S]*just b/, 'a guest knows the other’s address');
    const step = ended.build.steps.find(({ name }) => name === 'fails')!;
    assert.deepEqual([ended.result, step.result, step.exitCode, step.guest], ['FAILURE', 'FAILURE', 4, 'a, b']);
    assert.ok(step.duration < 10_000, 'the step did not wait for the other guest');
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
