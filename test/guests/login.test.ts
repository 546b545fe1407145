import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { diskFull } from '../../lib/errors/libvirt.ts';
import { addressShared } from '../../lib/errors/libvirt-network.ts';
import { connectFromThere, handshakeFailed, hostKeyChanged, keyRefused, loginEnded } from '../../lib/errors/ssh.ts';
import { commandNotBegun } from '../../lib/errors/ssh-command.ts';
import { guestDied, guestSilent } from '../../lib/errors/worker.ts';
import { type LoginOptions, logInToGuest } from '../../lib/guests/login.ts';
import type { Host } from '../../lib/ssh/types.ts';
import type { GuestAddress, Login, Worker } from '../../lib/worker/types.ts';
import { greeting } from '../support/greeting.ts';

const place = { label: 'guest', user: 'debian', host: '192.168.122.98', port: 22 };
const refusedThere = connectFromThere('worker a', place.host, 22, new Error('Connection refused'));
const noRoute = connectFromThere('worker a', place.host, 22, new Error('No route to host'));
const silent = guestSilent(place.host, 5);
const reset = handshakeFailed(place, new Error('read ECONNRESET'));
const key = keyRefused(place, 'ssh-ed25519 AAAA');
const otherKey = hostKeyChanged(place, 'SHA256:a', 'SHA256:b', true);

/** A connection that answers the first command with this boot id. */
const good = (boot = 'boot-1', gone = new AbortController().signal): Host =>
  ({ gone, run: async () => greeting(boot), close() {} }) as unknown as Host;
/** A connection that answers every command with this text only. */
const saying = (noise: string): Host =>
  ({
    gone: new AbortController().signal,
    noise,
    async run() {
      throw commandNotBegun(place, '/bin/sh', 'ended with exit code 142 before it ran', noise);
    },
    close() {},
  }) as unknown as Host;

const at = (host: string): GuestAddress => ({ host, port: 22 });

interface Script {
  /** Addresses at each lookup; the last entry repeats. */
  addresses?: GuestAddress[][];
  /** Results of logins by address, in order; the last one repeats. */
  login: Record<string, (Host | Error)[]> | (Host | Error)[];
}

/** Logs in to a scripted guest, on a mock clock that advances while the login waits. */
async function connect(t: test.TestContext, script: Script, options: Partial<LoginOptions> = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const began = Date.now();
  t.mock.method(performance, 'now', () => Date.now());
  const tries: { host: string; at: number }[] = [];
  const troubles: string[] = [];
  const looks = [...(script.addresses ?? [[at(place.host)]])];
  const left = new Map<string, (Host | Error)[]>();
  const worker = {
    label: 'worker a',
    hypervisor: { addresses: async () => (looks.length > 1 ? looks.shift()! : looks[0]!) },
    async login({ host }: Login) {
      tries.push({ host, at: Date.now() - began });
      const all = Array.isArray(script.login) ? script.login : (script.login[host] ?? [noRoute]);
      const rest = left.get(host) ?? [...all];
      left.set(host, rest);
      const next = rest.length > 1 ? rest.shift()! : rest[0]!;
      if (next instanceof Error) throw next;
      return next;
    },
  } as unknown as Worker;
  const ending = logInToGuest(worker, 'd', {
    signal: new AbortController().signal,
    user: 'debian',
    privateKey: '',
    metadata: undefined,
    onTrouble: (why) => troubles.push(why),
    ...options,
  });
  ending.catch(() => {});
  let over = false;
  ending.then(
    () => (over = true),
    () => (over = true),
  );
  for (let passed = 0; !over && passed < 600_000; passed += 50) {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    if (!over) t.mock.timers.tick(50);
  }
  return { ending, tries, troubles };
}

test('login succeeds at a guest’s new address if that changes while it boots', async (t) => {
  const [old, now] = [at('192.168.122.98'), at('192.168.122.99')];
  const { ending, tries } = await connect(t, {
    addresses: [[old], [old], [now, old]],
    login: { [old.host]: [refusedThere, refusedThere, noRoute], [now.host]: [refusedThere, good()] },
  });
  const { address, bootId } = await ending;
  assert.deepEqual([address, bootId], [now, 'boot-1']);
  assert.equal(tries.at(-1)!.host, now.host);
  // Once the newer address answers, no time is lost on the older one.
  const first = tries.findIndex(({ host }) => host === now.host);
  assert.ok(tries.slice(first).every(({ host }) => host === now.host));
});

test('of two addresses the one that answers is used, whichever is listed first', async (t) => {
  const { ending } = await connect(t, {
    addresses: [[at('192.168.122.99'), at('192.168.122.98')]],
    login: { '192.168.122.99': [silent], '192.168.122.98': [good()] },
  });
  assert.equal((await ending).address.host, '192.168.122.98');
});

test('a refused key is retried after 5 s, a closed port often', async (t) => {
  const slow = await connect(t, { login: [key, key, key, good()] });
  await slow.ending;
  assert.deepEqual(
    slow.tries.map(({ at }) => Math.round(at / 1_000)),
    [0, 5, 10, 15],
  );
  const login = [...Array<Error>(40).fill(refusedThere), good()];
  t.mock.timers.reset();
  const quick = await connect(t, { login });
  await quick.ending;
  assert.ok(quick.tries.at(-1)!.at <= 40 * 100, `${quick.tries.at(-1)!.at} ms for 40 tries`);
});

test('broken connections are retried with growing delays, so that the server’s penalties expire', async (t) => {
  const { ending, tries } = await connect(t, { login: [...Array<Error>(12).fill(reset), good()] });
  await ending;
  const gaps = tries.slice(1).map(({ at }, i) => at - tries[i]!.at);
  assert.ok(gaps[0]! < 1_000 && gaps.at(-1)! >= 5_000 && gaps.at(-1)! < 6_000, gaps.join());
});

test('the most telling reason is kept: later resets do not replace a refused key', async (t) => {
  const { ending, troubles } = await connect(t, { login: [silent, refusedThere, key, reset, reset, silent, good()] });
  await ending;
  assert.match(troubles[0]!, /did not answer/);
  assert.match(troubles[1]!, /Connection refused/);
  assert.ok(
    troubles.slice(2).every((why) => /refused this key/.test(why)),
    troubles.join('\n'),
  );
});

test('the message of a system that is still booting outlives resets, and it is not asked often', async (t) => {
  const booting = loginEnded(place, 'System is booting up.', new Error('the other side closed it'));
  const { ending, tries, troubles } = await connect(t, {
    login: [refusedThere, reset, booting, booting, booting, reset, good()],
  });
  await ending;
  assert.match(troubles.at(-1)!, /it says: "System is booting up\."/);
  // PerSourcePenalties: 5 s for each of these, enforced from 15 s on.
  const ended = tries.slice(2, 5).map((one) => one.at);
  assert.ok(5_000 * ended.length - (ended.at(-1)! - ended[0]!) < 15_000, ended.join());
});

test('a login that only names another user fails at once, and the message quotes it', async (t) => {
  const words = 'Please login as the user "debian" rather than the user "root".\n\n';
  const { ending, tries } = await connect(t, { login: [saying(words)] }, { user: 'root' });
  await assert.rejects(ending, (error) => {
    assert(error instanceof CiError);
    assert.equal(error.result, 'NODE_FAILURE');
    assert.match(
      error.message,
      /accepts the login of root but runs no command; it says: "Please login as the user "debian"/,
    );
    return true;
  });
  // Its keys may be about to change.
  assert.equal(tries.length, 2);
  t.mock.timers.reset();
  const later = await connect(t, { login: [saying(words), good()] }, { user: 'root' });
  assert.equal((await later.ending).bootId, 'boot-1');
});

test('a foreign host key is retried for half a minute, and not often', async (t) => {
  const metadata = { hostKey: 'ssh-ed25519 AAAA', loggedIn() {}, drop() {} };
  const { ending, tries } = await connect(t, { login: [otherKey] }, { metadata });
  await assert.rejects(ending, { code: 'build/other-host-key' });
  assert.ok(tries.length > 10 && tries.length < 20, `${tries.length} tries`);
});

test('a guest that cannot come up any more ends the login at once', async (t) => {
  for (const fault of [
    guestDied('d', 'powered off', ''),
    diskFull('w', 'd', 'full'),
    addressShared('w', 'd', 'e', '1'),
  ]) {
    const { ending, tries } = await connect(t, { login: [fault] });
    await assert.rejects(ending, { code: fault.code });
    assert.equal(tries.length, 1);
    t.mock.timers.reset();
  }
});
