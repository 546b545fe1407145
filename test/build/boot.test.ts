import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Build } from '../../lib/build/build.ts';
import type { Services } from '../../lib/build/services.ts';
import { bootStep } from '../../lib/build/steps/boot.ts';
import { guestStopped } from '../../lib/errors/libvirt.ts';

const full = { code: 'libvirt/guest-stopped', result: 'DISK_FULL' } as const;

/** Boots one guest, whose hypervisor and login do as a test says. */
function boot(
  address: () => Promise<unknown>,
  login: () => Promise<unknown>,
  timeout: number,
  noteBoot = (_: unknown) => {},
  { image = {}, settings = {}, console = '', booted = (_: unknown) => {} } = {},
) {
  const worker = {
    label: 'worker a',
    hypervisor: {
      boot: async (spec: unknown) => booted(spec),
      address,
      console: async () => (console === '' ? undefined : Readable.from([Buffer.from(console)])),
    },
    login,
  };
  const guest = { name: 'vm', domain: 'd', worker, image: { loginUser: 'ci', ...image }, clone: {} };
  const build = { lease: { guests: new Map([['vm', guest]]) }, env: {}, say() {} } as unknown as Build;
  return bootStep(
    { build, signal: new AbortController().signal, progress() {} },
    { memory: 1, vcpus: 1, networks: [], guests: [], timeout, ...settings },
    { key: { privateKey: '', publicKey: '' }, room: { noteBoot } } as unknown as Services,
  );
}

const stopped = async () => {
  throw guestStopped('worker a', 'd');
};

test('a worker whose disk fills up while a guest boots: DISK_FULL, at once', async () => {
  await assert.rejects(boot(stopped, stopped, 20_000), full);
  const found = async () => ({ host: '192.0.2.1', port: 22 });
  await assert.rejects(boot(found, stopped, 20_000), full);
});

test('it stays DISK_FULL where that is found out as the time is over', async () => {
  const late = async () => {
    await sleep(60);
    return stopped();
  };
  await assert.rejects(boot(late, late, 30), full);
});

test('a worker on which a guest came up is known as one that works; one on which it did not is not', async () => {
  const worked: unknown[] = [];
  const note = (worker: unknown) => worked.push((worker as { label: string }).label);
  const found = async () => ({ host: '192.0.2.1', port: 22 });
  await assert.rejects(boot(found, stopped, 20_000, note), full);
  assert.deepEqual(worked, []);
  const run = async () => ({ code: 0, stdout: 'boot-1\n', stderr: '' });
  await boot(found, async () => ({ run, close() {}, gone: new AbortController().signal }), 20_000, note);
  assert.deepEqual(worked, ['worker a']);
});

const found = async () => ({ host: '192.0.2.1', port: 22 });
/** As a wait that the time limit ends. */
const never = async () => {
  await sleep(60);
  throw new Error('aborted');
};

test('a guest has the hardware that its image needs, but for what the boot is set to', async () => {
  const specs: { cpu?: string; firmware?: string }[] = [];
  const booted = (spec: unknown) => void specs.push(spec as object);
  const image = { cpu: 'x86-64-v3', firmware: 'uefi' };
  const boots = [{ image }, { image, settings: { cpu: 'max' } }, { settings: { firmware: 'bios' } }, {}];
  for (const each of boots)
    await assert.rejects(
      boot(found, stopped, 20_000, () => {}, { ...each, booted }),
      full,
    );
  assert.deepEqual(
    specs.map(({ cpu, firmware }) => [cpu, firmware]),
    [
      ['x86-64-v3', 'uefi'],
      ['max', 'uefi'],
      [undefined, 'bios'],
      [undefined, undefined],
    ],
  );
  assert.ok(!('cpu' in specs[3]!) && !('firmware' in specs[3]!));
});

test('a console that tells of the wrong hardware: what to choose is said', async () => {
  const says = (console: string, image = {}) => boot(never, never, 30, () => {}, { console, image });
  await assert.rejects(says('Fatal glibc error: CPU does not support x86-64-v2\nKernel panic\n'), {
    code: 'build/boot-failed',
    message: /no address after 0\.03 s\. .*choose x86-64-v2 as CPU model .* Its console ends with: "Kernel panic"\.$/,
  });
  await assert.rejects(says(''), {
    message: /Its console is empty: can its disk be booted under BIOS\? .*choose UEFI/,
  });
  await assert.rejects(says('', { firmware: 'uefi' }), { message: /booted under UEFI\? .*choose BIOS/ });
  await assert.rejects(says('Welcome\n'), { message: /Does its network give addresses/ });
});
