import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import RED from 'node-red';
import { DOMAIN_TEMPLATE } from '../../../lib/libvirt/domain-template.ts';
import type { GuestSpec, Worker } from '../../../lib/worker/types.ts';
import { ask, assertStatusTexts, faults, handMade, logOf, run, variable } from '../../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { runs, waitFor } from '../../support/wait.ts';

describe('virsh-boot', () => {
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(() => red?.close());

  const lane = (): FlowConfig[] =>
    row(
      make('ssh-exec', { id: 'work', name: 'work', script: 'echo "at $VM_IP"', wires: [['publish-logs1'], []] }),
      make('publish-logs', { name: '', files: [] }),
      make('gerrit-review', { silent: true, vote: true }),
    );
  const deploy = (settings: Record<string, unknown> = {}, userData = '', names = 'vm') =>
    red.deploy(
      flow(
        ...guests(names).map((node) => {
          if (node.type === 'virsh-boot') return { ...node, name: 'boot', ...settings };
          if (node.type === 'metadata-server') return { ...node, userData };
          return node.type === 'clone-image'
            ? { ...node, addressEnv: `${String(node['guest']).toUpperCase()}_IP` }
            : node;
        }),
        jobs({ wires: [[`clone-${names.split(' ')[0]}`]] }),
        ...lane(),
      ),
    );
  /** Runs a build whose guest does not boot, checks its effects, and returns its end, error message and duration. */
  const runFailingBoot = async () => {
    const before = faults(red).length;
    const ended = await run(red, handMade(), 20_000);
    assert.equal(ended.result, 'NODE_FAILURE');
    await waitFor('the review has no vote', () => red.status('gerrit-review1').endsWith('dry run: no vote'));
    const step = ended.build.steps.find(({ name }) => name === 'boot')!;
    await waitFor('the Catch node receives the error', () => faults(red).slice(before).includes(step.message!));
    assert.match(red.status('virsh-boot1'), /^NODE_FAILURE: /);
    assert.ok(!ended.build.steps.some(({ name }) => name === 'work'), 'no script ran');
    return { ended, error: step.message!, duration: step.duration };
  };

  test('all guests boot in parallel; the status shows what the node waits for, and scripts get the addresses', async () => {
    await deploy(
      {
        memory: variable('TEST_MEMORY', '512'),
        vcpus: '2',
        guests: [{ guest: 'a', memory: '64', vcpus: '' }, { guest: 'none' }],
      },
      '',
      'vm a',
    );
    assert.equal(red.status('virsh-boot1'), 'ready');
    const seen = red.statuses.length;
    const ended = await run(red, handMade(), 20_000);
    assert.equal(ended.result, 'SUCCESS');
    assert.match(await logOf(ended), / \| a \| at 127\.\d+\.\d+\.\d+\n/);
    const texts = red.statuses
      .slice(seen)
      .filter(({ id }) => id === 'virsh-boot1')
      .map(({ text }) => text);
    assert.ok(
      texts.some((text) => text.includes('booting vm, a')),
      texts.join('\n'),
    );
    assert.ok(
      texts.some((text) => /(vm|a): SSH/.test(text)),
      texts.join('\n'),
    );
    assert.equal(texts.at(-1), '1 ok');
  });

  test('a domain template is passed to the worker; the form can start from the shipped one', async () => {
    const { template } = await ask(red, 'GET', 'domain-template');
    assert.equal(template, DOMAIN_TEMPLATE);
    const booted = async (settings: Record<string, unknown>) => {
      await deploy(settings);
      const { hypervisor } = (RED.nodes as unknown as { getNode(id: string): { worker: Worker } }).getNode(
        'worker-host1',
      ).worker;
      const boot = hypervisor.boot.bind(hypervisor);
      const specs: GuestSpec[] = [];
      hypervisor.boot = (spec, options) => {
        specs.push(spec);
        return boot(spec, options);
      };
      assert.equal((await run(red, handMade(), 20_000)).result, 'SUCCESS');
      return specs[0]!;
    };
    assert.equal((await booted({ template: variable('DOMAIN_XML', '<domain/>') })).template, '<domain/>');
    const networks = [{ source: 'default', mac: '' }, { source: 'lan%', mac: '52:54:00:00:00:02' }, { source: '' }];
    const spec = await booted({ template: '', networks });
    assert.ok(!('template' in spec));
    assert.ok(!('cpu' in spec) && !('firmware' in spec), 'left to the worker');
    const configured = await booted({ cpu: variable('GUEST_CPU', 'max'), firmware: 'uefi' });
    assert.deepEqual([configured.cpu, configured.firmware], ['max', 'uefi']);
    assert.deepEqual(spec.networks, [{ source: 'default' }, { source: 'lan%', mac: '52:54:00:00:00:02' }]);
  });

  test('a guest that never answers ends as NODE_FAILURE in time, with the end of its console in message and logs', async () => {
    await deploy({ timeout: variable('BOOT_TIMEOUT', '4') }, '#!/bin/sh\necho still setting up\nsleep 60\n');
    const { ended, error, duration } = await runFailingBoot();
    assert.match(error, /^worker here: guest vm did not boot: it has no address after 4 s\. /);
    assert.match(error, / Its console ends with: ".*still setting up"\.$/);
    assert.ok(duration < 50_000, `${duration} ms`);
    assert.match(await logOf(ended, 'consoles/vm.log'), /still setting up/);
  });

  test('a guest that dies during its boot is detected immediately', async () => {
    await deploy({ timeout: '30' }, '#!/bin/sh\necho oh no\nsleep 0.2\nkill -9 $PPID\n');
    const { error, duration } = await runFailingBoot();
    assert.match(error, /guest vm did not boot: .*(ended|died|killed|signal)/i);
    assert.match(error, /oh no/);
    assert.equal(error.split('console ends').length, 2, 'the end of the console is quoted once');
    assert.ok(duration < 25_000, `${duration} ms`);
  });

  test('if one of two guests does not boot, the node stops waiting for the other', async () => {
    await deploy({ timeout: '30' }, '#!/bin/sh\ncase "$PWD" in *-bad) kill -9 $PPID;; esac\nsleep 20\n', 'good bad');
    const { error, duration } = await runFailingBoot();
    assert.match(error, /guest bad did not boot/);
    assert.ok(duration < 25_000, `${duration} ms`);
  });

  test('the error about a missing metadata server names the node to add', async () => {
    const nodes = guests('vm').filter(({ type }) => type !== 'metadata-server');
    await red.deploy(
      flow(
        ...nodes.map((node) => {
          if (node.type === 'clone-image') return { ...node, wires: [['virsh-boot1']] };
          return node.type === 'virsh-boot' ? { ...node, name: 'boot' } : node;
        }),
        jobs({ wires: [['clone-vm']] }),
        ...lane(),
      ),
    );
    const { error } = await runFailingBoot();
    assert.match(error, /put a metadata-server node before the boot/);
  });

  test('a build without guests to boot is reported', async () => {
    await red.deploy(flow(...row(jobs(), make('virsh-boot', { name: 'boot' }), ...lane())));
    const { result, build } = await run(red);
    assert.equal(result, 'ERROR');
    assert.equal(build.steps[0]!.message, 'There is no clone to boot. Add a clone-image node before this step.');
  });

  test('an abort during a boot leaves no process', async () => {
    await deploy({ timeout: '60' }, `#!/bin/sh\necho $$ >pid\nsleep 300\n`);
    const ended = run(red, handMade(), 20_000);
    const pid = await waitFor('the guest’s script runs', async () => {
      const clone = red.runtime().supervisor.active()[0]?.resources.guests.get('vm')?.clone;
      return clone && Number(await readFile(`${clone.path}/pid`, 'utf8').catch(() => '0'));
    });
    assert.ok(await runs(pid));
    red.send('ci-jobs1', { kill: true });
    const { result } = await ended;
    assert.equal(result, 'ABORTED');
    await waitFor('the guest’s script is gone', async () => !(await runs(pid)));
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
