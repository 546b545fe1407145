import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import RED from 'node-red';
import type { ImageSource, ImageSpec } from '../../../lib/worker/types.ts';
import { variable } from '../../support/build-runs.ts';
import { flow, make } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';

type SourceOf<Kind extends ImageSource['kind']> = Extract<ImageSource, { kind: Kind }>;

const script = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  user: '',
  interpreter: '/bin/sh -e',
  text: `echo ${name}\n`,
  file: '',
  ...more,
});
const base = (more: Record<string, unknown> = {}): FlowConfig =>
  make('vm-image', { id: 'base1', name: 'base', source: 'url', url: 'http://x.example.com/a.qcow2', ...more });
const child = (more: Record<string, unknown> = {}): FlowConfig =>
  make('vm-image', {
    id: 'child1',
    name: 'dsvm',
    source: 'parent',
    parent: 'base1',
    scripts: [script('one')],
    ...more,
  });

describe('vm-image from a URL, or from a parent with scripts', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Returns the image that builds would use now. */
  const spec = (id: string): ImageSpec =>
    (RED.nodes as unknown as { getNode(id: string): { spec(): ImageSpec } }).getNode(id).spec();
  const deploy = (...images: FlowConfig[]) => red.deploy(flow(make('worker-host'), ...images));

  test('all settings of a URL may come from the environment', async () => {
    await deploy(
      base({
        url: variable('IMAGE_URL', 'file:///srv/a.qcow2'),
        sha256: variable('IMAGE_SUM', 'ab'.repeat(32)),
        diskSize: variable('IMAGE_SIZE', '64'),
        renew: variable('IMAGE_DAYS', '7'),
        loginUser: variable('IMAGE_USER', 'debian'),
      }),
    );
    const { source, loginUser, name } = spec('base1');
    assert.deepEqual(source, {
      kind: 'url',
      url: 'file:///srv/a.qcow2',
      sha256: 'ab'.repeat(32),
      diskSize: 64,
      renew: 7,
    });
    assert.deepEqual([name, loginUser], ['base', 'debian']);
    await deploy(base({ sha256: '', diskSize: '', renew: '' }));
    assert.deepEqual(spec('base1').source, { kind: 'url', url: 'http://x.example.com/a.qcow2' });
  });

  test('hardware settings come from the image, else from its parent; older flows have none', async () => {
    const hardware = (id: string) => {
      const { cpu, firmware } = spec(id);
      return [cpu, firmware];
    };
    await deploy(base(), child());
    assert.deepEqual(
      [hardware('base1'), hardware('child1')],
      [
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
    const [old] = [spec('child1').key];
    await deploy(
      base({ cpu: variable('IMAGE_CPU', ' x86-64-v3 '), firmware: 'uefi' }),
      child({ cpu: '', firmware: '' }),
    );
    assert.deepEqual(
      [hardware('base1'), hardware('child1')],
      [
        ['x86-64-v3', 'uefi'],
        ['x86-64-v3', 'uefi'],
      ],
    );
    assert.notEqual(spec('child1').key, old, 'the scripts would run on other hardware');
    await deploy(base({ cpu: 'max', firmware: 'uefi' }), child({ cpu: 'host', firmware: 'bios' }));
    assert.deepEqual(hardware('child1'), ['host', 'bios']);
    await deploy(base({ firmware: 'UEFI' }), child({ firmware: 'coreboot' }));
    assert.deepEqual(
      [hardware('base1'), hardware('child1')],
      [
        [undefined, 'uefi'],
        [undefined, 'uefi'],
      ],
    );
  });

  test('a parent and scripts have settings for the guest that runs them; missing ones have defaults', async () => {
    await deploy(
      child({
        parent: variable('IMAGE_PARENT', 'base1'),
        memory: variable('IMAGE_MEMORY', '3000'),
        vcpus: '2',
        networks: [{ source: 'br0', mac: '52:54:00:00:00:02' }, { source: '' }],
        userData: '#cloud-config\n',
        authorizedKeys: 'ssh-ed25519 AAAA me',
        timeout: '5',
      }),
      base(),
    );
    const { parent, scripts, making } = spec('child1').source as SourceOf<'parent'>;
    assert.deepEqual([parent.name, parent.key], ['base', spec('base1').key]);
    assert.deepEqual(scripts, [{ name: 'one', user: '', interpreter: '/bin/sh -e', text: 'echo one\n' }]);
    assert.deepEqual(making, {
      memory: 3000,
      vcpus: 2,
      networks: [{ source: 'br0', mac: '52:54:00:00:00:02' }],
      userData: '#cloud-config',
      authorizedKeys: 'ssh-ed25519 AAAA me',
      timeout: 300_000,
      cloudInit: 600_000,
    });
    await deploy(base(), child());
    const { making: defaults } = spec('child1').source as SourceOf<'parent'>;
    assert.deepEqual(
      [defaults.memory, defaults.vcpus, defaults.networks, defaults.timeout],
      [1024, 1, [{ source: 'default' }], 3_600_000],
    );
  });

  test('settings that change the disk give the image another key; others do not', async () => {
    await deploy(base(), child());
    const before = spec('child1').key;
    const after = async (...images: FlowConfig[]) => {
      await red.deploy(flow(make('worker-host'), ...images), 'nodes');
      return spec('child1').key;
    };
    assert.equal(await after(base(), child({ memory: '4096', timeout: '90', networks: [] })), before);
    assert.notEqual(await after(base(), child({ scripts: [script('one', { text: 'echo other' })] })), before);
    assert.notEqual(await after(base(), child({ scripts: [script('one', { user: 'root' })] })), before);
    assert.notEqual(await after(base(), child({ scripts: [script('one'), script('two')] })), before);
    // Only the parent changes; the child's node is not deployed again.
    assert.equal(await after(base(), child()), before);
    assert.notEqual(await after(base({ diskSize: '20' }), child()), before);
  });

  test('a script’s file is read at each use; a missing file is reported with its script and image', async () => {
    const file = join(dir, 'init.sh');
    writeFileSync(file, 'echo first\n');
    const named = variable('SCRIPT_FILE', file);
    await deploy(base(), child({ scripts: [script('init', { file: named, text: 'not this' })] }));
    const before = spec('child1');
    assert.equal((before.source as SourceOf<'parent'>).scripts[0]!.text, 'echo first\n');
    writeFileSync(file, 'echo second\n');
    assert.notEqual(spec('child1').key, before.key);
    rmSync(file);
    assert.throws(
      () => spec('child1'),
      /Image dsvm: the file .*init\.sh of its script init cannot be read on the controller: it does not exist\./,
    );
    writeFileSync(file, '#'.repeat(2 << 20));
    assert.throws(() => spec('child1'), /it is larger than 1 MiB/);
    await deploy(base(), child({ scripts: [script('init', { file: dir })] }));
    assert.throws(() => spec('child1'), /cannot be read on the controller: it is a folder\./);
  });

  test('the operator’s keys are the pasted ones and those of a file, which is read at each use; errors in it are reported', async () => {
    const keys = () => (spec('child1').source as SourceOf<'parent'>).making.authorizedKeys.split('\n');
    const file = join(dir, 'authorized_keys');
    writeFileSync(file, '# mine\nssh-ed25519 AAAAfiled me\n');
    await deploy(
      base(),
      child({ authorizedKeys: 'ssh-ed25519 AAAApasted me', authorizedKeysFile: variable('IMAGE_KEYS', file) }),
    );
    const { key } = spec('child1');
    assert.deepEqual(keys(), ['ssh-ed25519 AAAApasted me', 'ssh-ed25519 AAAAfiled me']);
    writeFileSync(file, 'ssh-ed25519 AAAAother me\n');
    assert.deepEqual(keys(), ['ssh-ed25519 AAAApasted me', 'ssh-ed25519 AAAAother me']);
    assert.notEqual(spec('child1').key, key, 'the image’s key depends on them, since they remain on its disk');
    writeFileSync(file, '\nno key\n');
    assert.throws(() => spec('child1'), /The authorised keys file, line 2 is not a public key/);
    rmSync(file);
    assert.throws(
      () => spec('child1'),
      /Image dsvm: the key file .*authorized_keys cannot be read \(it does not exist\)\. Check the path/,
    );
  });

  test('a missing or disabled parent is reported, with what to do', async () => {
    await deploy(child({ parent: 'nowhere' }));
    assert.throws(() => spec('child1'), /Image dsvm: its parent does not exist or is disabled\. Select a parent/);
    await deploy(child(), base({ d: true }));
    assert.throws(() => spec('child1'), /Image dsvm: its parent does not exist/);
  });

  test('a cycle of parents is reported, whichever image is used', async () => {
    // Node-RED does not see a reference by variable; otherwise it would not start these nodes.
    await deploy(child(), base({ source: 'parent', parent: variable('CYCLE', 'child1'), scripts: [] }));
    assert.throws(() => spec('child1'), /Image dsvm: the parents form a cycle: dsvm → base → dsvm\./);
    assert.throws(() => spec('base1'), /Image base: the parents form a cycle: base → dsvm → base\./);
    await deploy(child({ parent: variable('CYCLE', 'child1') }));
    assert.throws(() => spec('child1'), /Image dsvm: the parents form a cycle: dsvm → dsvm\./);
  });

  test('a cycle that Node-RED refuses to start is logged', async () => {
    const logged = () => red.logs.filter(({ level, msg }) => level === 20 && msg.includes('the parents form a cycle'));
    const before = logged().length;
    await deploy(child(), base({ source: 'parent', parent: 'child1', scripts: [] }));
    const [cycle, ...others] = logged().slice(before);
    assert.deepEqual(others, []);
    assert.match(
      cycle!.msg,
      /^Image dsvm: the parents form a cycle: dsvm → base → dsvm\. Select another parent for one of them\./,
    );
    await deploy(child(), base());
    assert.equal(spec('child1').name, 'dsvm');
    assert.equal(logged().length, before + 1);
  });
});
