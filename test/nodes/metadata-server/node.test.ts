import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import { ask, assertStatusTexts, handMade, logOf, run, variable } from '../../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('metadata-server', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const deploy = (settings: Record<string, unknown>, script: string, names = 'vm') =>
    red.deploy(
      flow(
        ...guests(names).map((node) =>
          node.type === 'metadata-server' ? { ...node, name: 'metadata', ...settings } : node,
        ),
        jobs({ wires: [[`clone-${names.split(' ')[0]}`]] }),
        ...row(
          make('ssh-exec', { id: 'work', name: 'work', script, wires: [['publish-logs1'], []] }),
          make('publish-logs', { files: [] }),
          make('gerrit-review', { silent: true }),
        ),
      ),
    );

  test('each guest gets its own hostname, from a template', async () => {
    await deploy(
      { hostname: '{{pipeline}}.{{job}}-{{guest}} {{change.number}}!' },
      'echo "I am ${HOSTNAME:-$(hostname)}"',
      'a b',
    );
    const message = handMade();
    const ended = await run(red, message, 20_000);
    assert.equal(ended.result, 'SUCCESS');
    const log = await logOf(ended);
    for (const guest of ['a', 'b'])
      assert.ok(log.includes(` | ${guest} | I am check-unit-${guest}-${message.change!.number}\n`), log);
  });

  test('a user-data script runs before the first login, with values from outside as data', async () => {
    await deploy(
      { userData: '#!/bin/sh\nprintf "%s" {{change.subject}} >subject\necho {{guest}} >>subject\n' },
      'cat subject',
    );
    const subject = `it's "x" $(touch ${join(dir, 'owned')}) \`y\``;
    const ended = await run(red, handMade({ subject }), 20_000);
    assert.equal(ended.result, 'SUCCESS');
    assert.ok((await logOf(ended)).includes(` | ${subject}vm\n`));
    assert.ok(!existsSync(join(dir, 'owned')));
  });

  test('a #cloud-config is checked and passed to the guest; the console shows what the sandbox does with it', async () => {
    await deploy({ userData: '#cloud-config\nruncmd:\n  - echo {{job}}\n', vendorData: '#!/bin/sh\ntrue\n' }, 'true');
    const ended = await run(red, handMade(), 20_000);
    assert.equal(ended.result, 'SUCCESS');
    assert.match(await logOf(ended, 'consoles/vm.log'), /"#cloud-config" is for a real guest/);
  });

  test('user-data that cloud-init would reject ends the build with a reason, without a vote', async () => {
    for (const [userData, why] of [
      [
        'echo hello',
        /^The user-data cannot be used: line 1: it must begin with "#cloud-config" or, for a script, with "#!"/,
      ],
      ['#cloud-config\na: [', /^The user-data cannot be used: line \d: it is not YAML/],
      ['#!/bin/sh\necho {{#open}}', /template/i],
      ['#!/bin/sh\necho {{{job}}}', /template|unescaped|\{\{\{/i],
    ] as const) {
      await deploy({ userData }, 'true');
      const { result, build } = await run(red);
      assert.equal(result, 'ERROR', userData);
      assert.match(build.steps.find(({ type }) => type === 'metadata-server')!.message!, why);
      assert.match(red.status('metadata-server1'), /^ERROR: /);
    }
  });

  test('the form checks that a template renders to valid user-data, with a sample for each value', async () => {
    const check = (text: unknown) => ask(red, 'POST', 'check/user-data', { text });
    for (const good of [
      '',
      '#cloud-config\nhostname: {{guest}}\nruncmd: [[echo, {{change.project}}]]\n{{#env}}a: {{b}}\n{{/env}}\n',
      '#!/bin/sh\necho {{job}}: [',
    ])
      assert.deepEqual(await check(good), { ok: true }, good);
    const errorOf = async (text: unknown) => (await check(text))['error'] as string;
    assert.match(await errorOf('#cloud-config\n\ta: 1'), /line 2: it is not YAML: Tabs/);
    assert.match(await errorOf('#cloud-config\na: {{job}}{{guest}}'), /line 2: it is not YAML/);
    assert.match(await errorOf('#cloud-config\n- a'), /line 2: a #cloud-config holds "name: value"/);
    assert.match(await errorOf(7), /sent no text/);
  });

  test('sandbox guests have their own metadata access, even if an address is set for others', async () => {
    await deploy({ way: 'listen', listenAddress: '127.0.0.1', listenPort: '1', hostname: 'me' }, 'hostname');
    assert.equal((await run(red, handMade(), 20_000)).result, 'SUCCESS');
  });

  test('the operator’s keys, pasted and from a file, can log in to the guest', async () => {
    const [pasted, filed] = [generateKeyPair('pasted'), generateKeyPair('filed')];
    const file = join(dir, 'authorized_keys');
    writeFileSync(file, `# mine\n${filed.publicKey}\n`);
    await deploy(
      { authorizedKeys: `\n${pasted.publicKey}\n`, authorizedKeysFile: variable('TEST_KEYS', file) },
      'sleep 1',
    );
    const ended = run(red, handMade(), 20_000);
    const { address } = await waitFor('the guest is booted', () => {
      const guest = red.runtime().supervisor.active()[0]?.resources.guests.get('vm');
      return guest?.host && guest.address ? { address: guest.address } : undefined;
    });
    for (const { privateKey } of [pasted, filed]) {
      const target = { label: 'guest', ...address, user: 'ci', privateKey };
      const host = await connectHost(target, { knownHosts: new KnownHosts(join(dir, 'known-hosts.json')) });
      assert.equal((await host.run(['echo', 'in'])).stdout, 'in\n');
      host.close();
    }
    assert.equal((await ended).result, 'SUCCESS');
  });

  test('invalid keys and a missing key file are reported with their place', async () => {
    await deploy({ authorizedKeys: 'ssh-ed25519 nonsense' }, 'true');
    const bad = await run(red);
    assert.equal(bad.result, 'ERROR');
    assert.match(bad.build.steps.at(-2)!.message!, /^The authorised keys, line 1 is not a public key\./);
    await deploy({ authorizedKeysFile: join(dir, 'nowhere') }, 'true');
    const missing = await run(red);
    assert.equal(missing.result, 'ERROR');
    const error = missing.build.steps.at(-2)!.message!;
    assert.ok(error.startsWith(`metadata: the key file ${join(dir, 'nowhere')} cannot be read`), error);
    assert.match(error, /Check the path/);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
