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
  for (const watcher of opened.splice(0)) watcher.close();
});

/** A watcher that is closed after the test. */
function over(source: HostSource): NeighborWatcher {
  const watcher = new NeighborWatcher('worker host-a', source);
  opened.push(watcher);
  return watcher;
}
const ARP = `IP address HW type Flags HW address Mask Device
192.168.122.10 0x1 0x2 52:54:00:00:00:01 * virbr0
`;

/** This machine with a fixed ARP table in place of the real one. */
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

test('one program answers call after call; calls during an answer share the next one', async () => {
  const { host, started, asked } = machine();
  const watcher = over(async () => host);
  const tables = await Promise.all([1, 2, 3, 4, 5].map(() => watcher.look(signal)));
  for (const { arp } of tables) {
    assert.deepEqual(arp, [{ address: '192.168.122.10', mac: '52:54:00:00:00:01', device: 'virbr0' }]);
  }
  await watcher.look(signal);
  assert.equal(started.length, 1);
  assert.equal(asked.length, 2);
  // A pending answer is older than the call, which waits for the next one.
  const first = watcher.look(signal);
  await sleep(0);
  await Promise.all([first, watcher.look(signal), watcher.look(signal)]);
  assert.equal(asked.length, 4);
});

test('one listener waits for the end of the program, however many calls there are', async () => {
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
  const watcher = over(async () => counting);
  for (let looks = 0; looks < 20; looks += 1) await watcher.look(signal);
  assert.equal(listeners, 1);
});

test('a new program is started after the old one or its connection ended', async () => {
  const { host, started } = machine();
  let now = host;
  const watcher = over(async () => now);
  await watcher.look(signal);
  started[0]!.close();
  await started[0]!.exit.catch(() => {});
  assert.equal((await watcher.look(signal)).arp.length, 1);
  assert.equal(started.length, 2);
  now = { ...host };
  await watcher.look(signal);
  assert.equal(started.length, 3);
  // The program on the old connection is closed.
  await started[1]!.exit.catch(() => {});
});

test('an aborted call does not end the answer of the others', async () => {
  const { host, asked } = machine();
  const watcher = over(async () => host);
  const leaving = new AbortController();
  const left = watcher.look(leaving.signal);
  const stayed = watcher.look(signal);
  leaving.abort(new Error('the build was aborted'));
  await assert.rejects(left, /the build was aborted/);
  assert.equal((await stayed).arp.length, 1);
  assert.equal(asked.length, 1);
});

test('an unreachable worker is reported, and the next call tries again', async () => {
  const { host } = machine();
  let away = true;
  const watcher = over(async () => {
    if (away) throw new Error('worker host-a: no connection');
    return host;
  });
  await assert.rejects(watcher.look(signal), /no connection/);
  away = false;
  assert.equal((await watcher.look(signal)).arp.length, 1);
});

test('an endless answer is cut off', async () => {
  const { host } = machine();
  const endless: Host = {
    ...host,
    start: () =>
      localHost('worker host-a').start(['sh', '-c', 'yes "  a line of the ARP table that goes on for long"']),
  };
  const watcher = over(async () => endless);
  await assert.rejects(watcher.look(signal), { code: 'libvirt/failed', message: /ARP table.*over 8388608 characters/ });
});
