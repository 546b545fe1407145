import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { commandTimeout } from '../../lib/errors/ssh-command.ts';
import type { Guest } from '../../lib/guests/guest.ts';
import { refreshGuests } from '../../lib/guests/reconnect.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { greeting } from '../support/greeting.ts';

const OLD = '192.168.122.98';
const NEW = '192.168.122.99';

/** A guest that is connected at OLD. */
function moved(settings: { addresses: () => Promise<string[]>; answers: boolean }) {
  const connection = (isAlive: boolean): Host => {
    const closed = new AbortController();
    return {
      gone: closed.signal,
      async run(argv: string[]) {
        if (!isAlive) throw commandTimeout('guest vm', argv.join(' '), 1);
        return greeting('one');
      },
      close: () => closed.abort(),
    } as unknown as Host;
  };
  const logins: string[] = [];
  const first = connection(settings.answers);
  const guest = {
    name: 'vm',
    domain: 'd',
    address: { host: OLD, port: 22 },
    addressEnv: 'VM_IP',
    image: { loginUser: 'ci' },
    worker: {
      hypervisor: { addresses: async () => (await settings.addresses()).map((host) => ({ host, port: 22 })) },
      async login({ host }: { host: string }) {
        logins.push(host);
        return connection(true);
      },
    },
    host: first,
    bootId: 'one',
  } as unknown as Guest;
  const clock: string[] = [];
  const build = {
    resources: { guests: new Map([['vm', guest]]) },
    env: { VM_IP: OLD },
    clock: { pause: () => clock.push('pause'), resume: () => clock.push('resume') },
  };
  const refresh = () =>
    refreshGuests(build, { key: { privateKey: '' } }, { signal: AbortSignal.timeout(10_000), limit: 5_000 });
  return { guest, build, logins, first, refresh, clock };
}

test('a guest whose address changed between two scripts is reconnected, and its variable updated', async () => {
  const { guest, build, logins, first, refresh, clock } = moved({
    async addresses() {
      assert.deepEqual(clock, ['pause'], 'the patch pays for none of it');
      return [NEW, OLD];
    },
    answers: false,
  });
  await refresh();
  assert.deepEqual(clock, ['pause', 'resume']);
  assert.deepEqual(logins, [NEW]);
  assert.deepEqual(build.env, { VM_IP: NEW });
  assert.ok(first.gone.aborted, 'the connection to its old address is closed');
  assert.ok(guest.host !== first && !guest.host!.gone.aborted);
});

test('a connection is kept if the guest answers on it, has the same address, or cannot be looked up', async () => {
  const kept = [
    { addresses: async () => [NEW, OLD], answers: true },
    { addresses: async () => [OLD, NEW], answers: false },
    { addresses: () => Promise.reject(new Error('the worker cannot be reached')), answers: false },
  ];
  for (const settings of kept) {
    const { guest, build, logins, first, refresh } = moved(settings);
    await refresh();
    assert.deepEqual([logins, build.env, guest.host === first], [[], { VM_IP: OLD }, true]);
    assert.ok(!first.gone.aborted);
  }
});

test('a guest is looked up once, however many callers ask before a step', async () => {
  let looks = 0;
  const addresses = async () => {
    looks += 1;
    return [OLD];
  };
  const { refresh } = moved({ addresses, answers: true });
  await refresh();
  await refresh();
  assert.equal(looks, 1);
});

test('a guest is reconnected after its worker’s connection was lost too', async () => {
  const lost = new CiError({
    code: 'ssh/connection-lost',
    blame: 'worker',
    isConnectionLost: true,
    message: 'worker a: the connection was lost',
  });
  let asked = 0;
  const addresses = async () => {
    asked += 1;
    if (asked === 1) throw lost;
    return [OLD];
  };
  const { guest, logins, first, refresh } = moved({ addresses, answers: true });
  first.close();
  await refresh();
  assert.deepEqual(logins, [OLD]);
  assert.ok(!guest.host!.gone.aborted);
});
