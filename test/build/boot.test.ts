import assert from 'node:assert/strict';
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
  networks: string[] = [],
  said: string[] = [],
) {
  const worker = {
    label: 'worker a',
    isolated: true,
    hypervisor: { boot: async () => ({ domain: 'd' }), address, console: async () => undefined },
    login,
  };
  const guest = { name: 'vm', domain: 'd', worker, image: { loginUser: 'ci' }, clone: {} };
  const build = {
    lease: { guests: new Map([['vm', guest]]) },
    env: {},
    say: (line: string) => said.push(line),
  } as unknown as Build;
  return bootStep(
    { build, signal: new AbortController().signal, progress() {} },
    { memory: 1, vcpus: 1, networks: networks.map((source) => ({ source })), guests: [], timeout },
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

test('a private bridge as the first card is said at the start, and why no address came', async () => {
  const never = () => new Promise<never>(() => {});
  const boots = async (...networks: string[]) => {
    const said: string[] = [];
    const error = await boot(
      () => Promise.race([never(), sleep(60).then(() => Promise.reject(new Error('aborted')))]),
      never,
      30,
      () => {},
      networks,
      said,
    ).then(
      () => assert.fail('it came up'),
      (fault: Error) => fault,
    );
    return { said: said.join(), message: error.message };
  };
  const wrong = await boots('lan%', 'default');
  assert.match(wrong.said, /first network card is on a private bridge/);
  assert.match(wrong.message, /no address .*first network card is on a private bridge.*first, unless the image/);
  for (const networks of [['default', 'lan%'], ['default'], ['br0', 'default']]) {
    const { said, message } = await boots(...networks);
    assert.doesNotMatch(said + message, /private/, networks.join());
  }
});
