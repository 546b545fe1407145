import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../../lib/builds/build.ts';
import { runInGuest } from '../../../lib/builds/steps/in-guest.ts';
import { publishStep } from '../../../lib/builds/steps/publish.ts';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { logWriteFailed } from '../../../lib/errors/logs.ts';
import type { Guest } from '../../../lib/guests/guest.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { greeting } from '../../support/greeting.ts';

const services = { key: { privateKey: '', publicKey: '' }, reconnectTimeoutMs: 5_000 };
const { signal } = new AbortController();
const logs = { files: [{ guest: '', path: '/root/log', dir: '' }] };

/** Makes a guest whose connection can be cut. @param nextBoot boot id that its next connection finds */
function setUp(nextBoot: string) {
  const connection = (boot: string, gone: AbortSignal): Host =>
    ({ gone, run: async () => greeting(boot), close() {} }) as unknown as Host;
  const cut = new AbortController();
  const state = { cut: () => cut.abort(), fetched: [] as Host[], onFetch: (_host: Host): void => {} };
  const guest = {
    name: 'vm',
    domain: 'd',
    address: { host: '10.0.0.5', port: 22 },
    image: { loginUser: 'ci' },
    worker: {
      hypervisor: { addresses: async () => [{ host: '10.0.0.5', port: 22 }] },
      login: async () => connection(nextBoot, new AbortController().signal),
    },
    host: connection('first', cut.signal),
    bootId: 'first',
    // Set by the scripts that ran in it.
    knownBoot: 'first',
    booted: true,
  } as unknown as Guest;
  const log = {
    url: 'http://logs/1',
    console: { saved: async (): Promise<void> => {} },
    async fetch(host: Host) {
      state.onFetch(host);
      if (host.gone.aborted)
        throw new CiError({
          code: 'ssh/connection-lost',
          blame: 'worker',
          isConnectionLost: true,
          message: 'guest: lost',
        });
      state.fetched.push(host);
      return { files: 1, missing: [] };
    },
  };
  const clock = { pause() {}, resume() {} };
  const build = { resources: { guests: new Map([['vm', guest]]) }, log, clock, say() {} } as unknown as Build;
  const publish = (settings = logs) => publishStep({ build, signal, progress() {} }, settings, services);
  return { state, guest, build, log, publish };
}

test('FAILURE if a guest rebooted after its last script, and its logs are fetched', async () => {
  const { state, publish, guest } = setUp('second');
  state.cut();
  const { result, message, payload } = await publish();
  assert.equal(result, 'FAILURE');
  assert.match(message!, /^Guest vm rebooted\. If a script may do that, tick "the guest may reboot"/);
  assert.equal((payload as { files: number }).files, 1);
  assert.deepEqual(state.fetched, [guest.host]);
});

test('FAILURE also if it goes down while its logs are fetched, or if none are to be fetched', async () => {
  const late = setUp('second');
  late.state.onFetch = () => late.state.cut();
  assert.equal((await late.publish()).result, 'FAILURE');
  assert.deepEqual(late.state.fetched, [late.guest.host]);

  const none = setUp('second');
  none.state.cut();
  assert.equal((await none.publish({ files: [] })).result, 'FAILURE');
  assert.deepEqual(none.state.fetched, []);
});

test('a guest that rebooted before any script ran in it is not blamed on the patch', async () => {
  const { state, guest, publish } = setUp('second');
  delete guest.knownBoot;
  state.cut();
  assert.equal((await publish()).result, 'SUCCESS');
});

test('SUCCESS if only the connection was cut, or if a script was allowed to reboot the guest', async () => {
  const cut = setUp('first');
  cut.state.cut();
  assert.equal((await cut.publish()).result, 'SUCCESS');

  const may = setUp('second');
  const { guest, build } = may;
  const work = async () => ({ result: 'SUCCESS', exitCode: 1 }) as const;
  await runInGuest({ build, guest, services, signal, mayReboot: true, work });
  may.state.cut();
  assert.equal((await may.publish()).result, 'SUCCESS');
  assert.equal(may.state.fetched.length, 1);
});

test('POST_FAILURE if a guest is unreachable, SUCCESS if nothing is to be fetched from it', async () => {
  const { state, guest, publish } = setUp('second');
  guest.worker.login = async () => {
    throw new CiError({
      code: 'worker/guest-died',
      blame: 'guest',
      guestEnd: 'gone',
      isLoginFutile: true,
      message: 'Guest d powered off.',
    });
  };
  state.cut();
  assert.equal((await publish()).result, 'POST_FAILURE');
  assert.equal((await publish({ files: [] })).result, 'SUCCESS');
});

test('DISK_FULL if the end of the console does not fit on the disk, even if all scripts passed', async () => {
  const { log, publish } = setUp('first');
  log.console.saved = async () => {
    throw logWriteFailed('/logs/console.log', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  };
  const { result, message } = await publish({ files: [] });
  assert.equal(result, 'DISK_FULL');
  assert.match(message!, /no space is left for \/logs\/console\.log .*Free some/);
});
