/** A worker-host of kind libvirt in a real Node-RED. Its machine is a small SSH server that runs commands as this user. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import RED from 'node-red';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import type { Worker } from '../../../lib/worker/types.ts';
import { ask, assertStatusTexts, handMade, run, variable } from '../../support/build-runs.ts';
import { shortenDelays } from '../../support/fake-gerrit.ts';
import { flow, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { freePort } from '../../support/free-port.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { waitFor } from '../../support/wait.ts';

/** Programs in place of libvirt's: virsh lists no domain, and qemu-img creates empty disks. */
const PROGRAMS = {
  virsh: '#!/bin/sh\nexit 0\n',
  'qemu-img': '#!/bin/sh\nfor last; do :; done\ncase $last in /*) : >"$last" ;; esac\n',
};

describe('worker-host of kind libvirt', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  const path = process.env['PATH'];
  const pair = generateKeyPair('test');
  let red: TestRed;
  let server: TestSshServer;
  let closeConnections: () => void;

  before(async () => {
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    for (const [name, text] of Object.entries(PROGRAMS)) {
      writeFileSync(join(bin, name), text);
      chmodSync(join(bin, name), 0o755);
    }
    process.env['PATH'] = `${bin}:${path}`;
    mkdirSync(join(dir, 'image'));
    writeFileSync(join(dir, 'image', 'vda.qcow2'), 'a disk');
    server = await startSshServer({ authorized: [pair.publicKey] });
    red = await startRed();
    await red.deploy(flow(jobs()));
    closeConnections = await shortenDelays(red);
  });
  after(async () => {
    closeConnections?.();
    await red?.close();
    await server?.close();
    process.env['PATH'] = path;
    rmSync(dir, { recursive: true, force: true });
  });

  /** Creates a storage folder in which a build that a crash ended has left a clone; returns its path. */
  const storageWithLeftovers = (name: string): string => {
    const root = join(dir, name);
    mkdirSync(join(root, '.recheck'), { recursive: true });
    mkdirSync(join(root, 'recheck-dead-1-vm'));
    const record = { controller: red.runtime().services.controller, build: 'dead', attempt: 1, image: 'x@1' };
    writeFileSync(join(root, '.recheck', 'recheck-dead-1-vm'), `${JSON.stringify(record)}\n`);
    return root;
  };
  const clones = (root: string): string[] => readdirSync(root).filter((name) => name.startsWith('recheck-'));
  const machine = (settings: Record<string, unknown> = {}): FlowConfig =>
    make('ssh-host', {
      name: 'host-a',
      ...reaching({ label: '', host: '127.0.0.1', port: server.port, user: 'root', privateKey: pair.privateKey }),
      ...settings,
    });
  const workerHost = (settings: Record<string, unknown>): FlowConfig =>
    make('worker-host', {
      kind: 'libvirt',
      name: '',
      host: 'ssh-host1',
      storage: 'directory',
      memory: '0',
      load: '1000',
      ...settings,
    });
  const lane = (script = 'true'): FlowConfig[] => [
    make('vm-image', { name: 'disk', source: 'directory', path: join(dir, 'image') }),
    ...row(
      jobs(),
      make('clone-image', { image: 'vm-image1', hosts: ['worker-host1'], guest: 'vm' }),
      make('ssh-exec', { id: 'there', target: 'host', host: 'ssh-host2', script }),
      make('gerrit-review', { silent: true }),
    ),
    machine({ id: 'ssh-host2', name: 'store', user: 'other' }),
  ];
  const deploy = (settings: Record<string, unknown>, script?: string, host: Record<string, unknown> = {}) =>
    red.deploy(flow(machine(host), workerHost(settings), ...lane(script)));
  const worker = (id = 'worker-host1'): Worker =>
    (RED.nodes as unknown as { getNode(id: string): { worker: Worker } }).getNode(id).worker;

  test('a build’s disk is cloned over one connection; neither the build nor an earlier crash leaves anything', async () => {
    const root = storageWithLeftovers('one');
    const logins = server.logins;
    await deploy({ path: variable('TEST_PLACE', root) });
    await waitFor('the leftovers of the crash are removed', () => clones(root).length === 0);
    const { result, build } = await run(red);
    assert.equal(result, 'SUCCESS', JSON.stringify(build.steps));
    assert.deepEqual(clones(root), []);
    assert.ok(
      readdirSync(root).some((name) => name.startsWith('disk@')),
      'its image is kept',
    );
    assert.equal(server.logins - logins, 2, 'one for the worker, one for the script');
  });

  test('a worker that is unreachable at the deploy is cleaned up as soon as it can be reached', async () => {
    const root = storageWithLeftovers('late');
    const port = await freePort();
    await deploy({ path: root }, undefined, { port: String(port) });
    assert.deepEqual(clones(root), ['recheck-dead-1-vm']);
    const late = await startSshServer({ authorized: [pair.publicKey], port, hostKey: server.hostKey });
    try {
      await waitFor('the leftovers of the crash are removed', () => clones(root).length === 0);
    } finally {
      await red.deploy(flow(jobs()));
      await late.close();
    }
  });

  test('unchanged settings keep the worker; changed ones make a new one, and a running build keeps the old one', async () => {
    const root = join(dir, 'kept');
    mkdirSync(root);
    const [runs, go] = [join(dir, 'runs'), join(dir, 'go')];
    const script = `touch ${runs}; while [ ! -e ${go} ]; do sleep 0.1; done`;
    await deploy({ path: root, slots: '2' }, script);
    const first = worker();
    const ended = run(red, handMade(), 30_000);
    await waitFor('the script runs', () => existsSync(runs));
    assert.equal(clones(root).length, 1);
    await deploy({ path: root, slots: '2' }, script);
    assert.equal(worker(), first);
    await deploy({ path: root, slots: '3' }, script);
    assert.notEqual(worker(), first);
    assert.equal(worker().slots, 3);
    // The nodes are deleted, so only the build still holds the connection.
    await red.deploy(flow(...lane(script)));
    writeFileSync(go, '');
    const { result, build } = await ended;
    assert.equal(result, 'SUCCESS', JSON.stringify(build.steps));
    await waitFor('its clone is removed', () => clones(root).length === 0);
  });

  test('worker hosts with equal settings are one worker, so an imported copy of a flow shares slots and guests', async () => {
    const root = join(dir, 'copied');
    mkdirSync(root);
    const [at, other] = [{ path: root }, { id: 'worker-host2', host: 'ssh-host3' }];
    const copy = machine({ id: 'ssh-host3' });
    await red.deploy(flow(machine(), copy, workerHost(at), workerHost({ ...at, ...other }), ...lane()));
    assert.equal(worker('worker-host2'), worker());
    await red.deploy(flow(machine(), copy, workerHost(at), workerHost({ ...at, ...other, slots: '7' }), ...lane()));
    assert.notEqual(worker('worker-host2'), worker());
  });

  test('invalid worker settings are reported by the build that uses them', async () => {
    const errorOf = async (settings: Record<string, unknown>) => {
      await deploy({ path: join(dir, 'kept'), ...settings });
      const { result, build } = await run(red);
      return `${result} ${build.steps[0]!.message}`;
    };
    assert.match(await errorOf({ host: 'nobody' }), /^ERROR worker this machine: its SSH host does not exist any more/);
    assert.match(await errorOf({ path: 'ci' }), /^ERROR "ci" is not a path for a worker's storage/);
    assert.match(await errorOf({ storage: 'zfs', path: '/ci' }), /^ERROR "\/ci" is not the name of a ZFS dataset/);
  });

  test('builds wait for an unreachable worker, and the node shows the reason', async () => {
    const checkWaiting = async (host: Record<string, unknown>, why: RegExp) => {
      await deploy({ path: join(dir, 'kept') }, undefined, host);
      const from = red.events.length;
      red.send('ci-jobs1', handMade());
      await waitFor('the progress has the reason', () =>
        red.events
          .slice(from)
          .some((event) => event.kind === 'step-progress' && why.test(String(event.values?.['why']))),
      );
      assert.match(red.status('clone-image1'), /^\d+,1 (\+\d )?\d\w\w in line · (unreachable|no answer)$/);
    };
    const unusedPort = String(await freePort());
    await checkWaiting({ port: unusedPort }, /^worker host-a \(root@127\.0\.0\.1:\d+\): the connection was refused/);
    const stranger = generateKeyPair('stranger').privateKey;
    await checkWaiting(
      { credentials: { privateKey: stranger, passphrase: '' } },
      /^worker host-a \(.*\): the server refused this key\. Add this line to \/root\/\.ssh\/authorized_keys/,
    );
  });

  test('Check this host lists what works and what is missing, or why the host is unreachable', async () => {
    await deploy({ path: join(dir, 'kept') });
    const check = async (config: Record<string, unknown>) =>
      (await ask(red, 'POST', 'check/worker-host', { id: 'worker-host1', config })) as {
        ok: boolean;
        checks: { what: string; ok: boolean; detail: string; fix?: string }[];
      };
    const form = { name: 'a', host: 'ssh-host1', storage: 'directory', path: join(dir, 'nowhere'), domainType: 'qemu' };
    const { ok, checks } = await check(form);
    assert.equal(ok, false);
    const of = (what: string) => checks.find((one) => one.what === what)!;
    assert.equal(of('storage').fix, `mkdir -p ${join(dir, 'nowhere')}`);
    assert.match(of('login').detail, new RegExp(process.getuid!() === 0 ? '^root on ' : '^The login user is '));
    // The fake virsh succeeds and prints nothing: libvirt answers, but no guest can run.
    assert.deepEqual([of('libvirt').ok, of('guests').ok], [true, false]);
    assert.ok(!checks.some(({ what }) => what === 'forwarding'), 'a check of forwarding that passes is not listed');
    assert.equal(existsSync(join(dir, 'nowhere')), false);
    // The fake virsh does not mention UEFI, so the result depends only on the firmware files of this machine.
    const uefi = of('firmware');
    await red.deploy(
      flow(
        machine(),
        workerHost({ path: join(dir, 'kept') }),
        ...lane().map((node) => ({ ...node, firmware: 'uefi' })),
      ),
    );
    const needed = (await check(form)).checks.find(({ what }) => what === 'firmware')!;
    assert.ok(uefi.ok);
    if (/^BIOS only/.test(uefi.detail)) assert.match(needed.detail, /: disk\.$/);
    else assert.deepEqual(needed, uefi);
    const withoutHost = await check({ ...form, host: 'nobody' });
    assert.match(withoutHost.checks[0]!.detail, /its SSH host does not exist any more/);
    await deploy({ path: join(dir, 'kept') }, undefined, { port: String(await freePort()) });
    const unreachable = await check(form);
    assert.deepEqual([unreachable.ok, unreachable.checks.length], [false, 1]);
    assert.match(unreachable.checks[0]!.detail, /^worker a \(root@127\.0\.0\.1:\d+\): the connection was refused/);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
