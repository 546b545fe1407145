import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NeighborWatcher } from '../../../lib/libvirt/network/neighbor-watcher.ts';
import { localHost } from '../../../lib/ssh/local.ts';
import type { Host, HostSource, Running } from '../../../lib/ssh/types.ts';

const signal = AbortSignal.timeout(20_000);

/** What the tests opened. */
const opened: NeighborWatcher[] = [];
afterEach(() => {
  for (const lookout of opened.splice(0)) lookout.close();
});

/** A lookout of the test, closed behind it. */
function over(source: HostSource): NeighborWatcher {
  const lookout = new NeighborWatcher('worker host-a', source);
  opened.push(lookout);
  return lookout;
}
const ARP = `IP address HW type Flags HW address Mask Device
192.168.122.10 0x1 0x2 52:54:00:00:00:01 * virbr0
`;

/** This machine, whose ARP table is a text of ours: what is really there is nothing to count on. */
function machine(text = ARP) {
  const started: Running[] = [];
  const asked: string[] = [];
  const local = localHost('worker host-a');
  const host: Host = {
    ...local,
    async start([, , program]) {
      const said = `printf '%s' '${text}'`;
      const running = await local.start(['sh', '-c', program!.replace('cat /proc/net/arp', said)]);
      const write = running.stdin.write.bind(running.stdin);
      running.stdin.write = ((chunk: string) => {
        asked.push(chunk);
        return write(chunk);
      }) as typeof running.stdin.write;
      started.push(running);
      return running;
    },
  };
  return { host, started, asked };
}

test('one program answers one question after another; who asks meanwhile shares the next answer', async () => {
  const { host, started, asked } = machine();
  const lookout = over(async () => host);
  const sights = await Promise.all([1, 2, 3, 4, 5].map(() => lookout.look(signal)));
  for (const { arp } of sights) {
    assert.deepEqual(arp, [{ address: '192.168.122.10', mac: '52:54:00:00:00:01', device: 'virbr0' }]);
  }
  await lookout.look(signal);
  assert.equal(started.length, 1);
  assert.equal(asked.length, 2);
  // One that is under way is older than the question: the next is waited for.
  const first = lookout.look(signal);
  await sleep(0);
  await Promise.all([first, lookout.look(signal), lookout.look(signal)]);
  assert.equal(asked.length, 4);
});

test('however many looks, one listener waits for the end of the program', async () => {
  const { host } = machine();
  let listeners = 0;
  const counting: Host = {
    ...host,
    async start(argv) {
      const running = await host.start(argv);
      const listen = running.exit.then.bind(running.exit);
      running.exit.then = ((...args: Parameters<typeof listen>) => {
        listeners += 1;
        return listen(...args);
      }) as typeof running.exit.then;
      return running;
    },
  };
  const lookout = over(async () => counting);
  for (let looks = 0; looks < 20; looks += 1) await lookout.look(signal);
  assert.equal(listeners, 1);
});

test('a program that ended, and a connection that was made anew, get a new program', async () => {
  const { host, started } = machine();
  let now = host;
  const lookout = over(async () => now);
  await lookout.look(signal);
  started[0]!.close();
  await started[0]!.exit.catch(() => {});
  assert.equal((await lookout.look(signal)).arp.length, 1);
  assert.equal(started.length, 2);
  now = { ...host };
  await lookout.look(signal);
  assert.equal(started.length, 3);
  // The one on the old connection is not left behind.
  await started[1]!.exit.catch(() => {});
});

test('one who asks no longer does not end the others’ answer', async () => {
  const { host, asked } = machine();
  const lookout = over(async () => host);
  const leaving = new AbortController();
  const left = lookout.look(leaving.signal);
  const stayed = lookout.look(signal);
  leaving.abort(new Error('the build was aborted'));
  await assert.rejects(left, /the build was aborted/);
  assert.equal((await stayed).arp.length, 1);
  assert.equal(asked.length, 1);
});

test('a worker that cannot be reached is said, and asked again by the next', async () => {
  const { host } = machine();
  let away = true;
  const lookout = over(async () => {
    if (away) throw new Error('worker host-a: no connection');
    return host;
  });
  await assert.rejects(lookout.look(signal), /no connection/);
  away = false;
  assert.equal((await lookout.look(signal)).arp.length, 1);
});

test('an answer that never ends is cut off', async () => {
  const { host } = machine();
  const endless: Host = {
    ...host,
    start: () =>
      localHost('worker host-a').start(['sh', '-c', 'yes "  a line of the ARP table that goes on for long"']),
  };
  const lookout = over(async () => endless);
  await assert.rejects(lookout.look(signal), { code: 'libvirt/failed', message: /ARP table.*over 8388608 characters/ });
});
