import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetadataRoute } from '../../../lib/metadata/route/route.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { scriptedHost } from '../../libvirt/scripted-host.ts';
import { freePort } from '../../support/free-port.ts';

/**
 * A worker whose programs take a moment, and that keeps the places which rules lead to, as its iptables would: a port,
 * with the address where it is not 127.0.0.1. The first port that SSH carries here is given.
 */
function slowWorker(first = 4711) {
  const rules = new Set<string>();
  let ports = first;
  let running = 0;
  const seen = { most: 0, programs: 0 };
  const scripted = scriptedHost(() => ({}));
  const host: Host = {
    ...scripted,
    async run(argv, options) {
      running += 1;
      seen.programs += 1;
      seen.most = Math.max(seen.most, running);
      await sleep(10);
      const [, , text, , , ...args] = argv;
      if (text!.includes('--to-destination')) rules.add(args[3]!);
      for (const place of rules) if (!args.includes(place)) rules.delete(place);
      running -= 1;
      return scripted.run(argv, options);
    },
    forwardIn: async () => ({ port: ports++, close: async () => {} }),
  };
  return { host, rules, seen };
}

test('a way that opens while the last one closes keeps its rules: one program at a time, each with what is open then', async () => {
  const { host, rules, seen } = slowWorker();
  const way = new MetadataRoute('turns', async () => host);
  const open = () => way.open(() => {}, AbortSignal.timeout(5_000));
  let link = await open();
  await way.use('virbr0', AbortSignal.timeout(5_000));
  for (let i = 0; i < 5; i += 1) {
    const [next] = await Promise.all([open(), link.close(), way.use('virbr0', AbortSignal.timeout(5_000))]);
    link = next;
    await way.use('virbr0', AbortSignal.timeout(5_000));
    assert.equal(rules.size, 1, [...rules].join());
    assert.ok(rules.has(`${4712 + i}`), 'the rules lead to the way that is open');
  }
  await link.close();
  assert.equal(rules.size, 0);
  assert.equal(seen.most, 1);
});

test('guests that start together have their rules made once; one that starts while that is done has them made again', async () => {
  const { host, rules, seen } = slowWorker();
  const way = new MetadataRoute('together', async () => host);
  const link = await way.open(() => {}, AbortSignal.timeout(5_000));
  const use = () => way.use('virbr0', AbortSignal.timeout(5_000));
  const before = seen.programs;
  await Promise.all([use(), use(), use()]);
  assert.equal(seen.programs - before, 1);
  // Somebody may flush the rules in between: what was begun before the question is not good for it.
  const first = use();
  await sleep(5);
  rules.clear();
  await Promise.all([first, use()]);
  assert.equal(seen.programs - before, 3);
  assert.equal(rules.size, 1);
  await link.close();
});

test('two ways at once, one at an address of this machine: closing one leaves the rules of the other', async () => {
  const { host, rules } = slowWorker();
  const way = new MetadataRoute('two-ways', async () => host);
  const signal = AbortSignal.timeout(5_000);
  const port = await freePort();
  const tunnel = await way.open(() => {}, signal);
  await way.use('virbr0', signal);
  const listener = await way.open(() => {}, signal, { address: '0.0.0.0', port });
  assert.deepEqual(rules, new Set(['4711', `0_0_0_0_${port}`]));
  await tunnel.close();
  assert.deepEqual(rules, new Set([`0_0_0_0_${port}`]));
  const next = await way.open(() => {}, signal);
  assert.deepEqual(rules, new Set([`0_0_0_0_${port}`, '4712']), 'the bridge was not forgotten');
  await listener.close();
  assert.deepEqual(rules, new Set(['4712']));
  await next.close();
  assert.equal(rules.size, 0);
});

test('two ways with one port at different addresses do not take each other’s rules along', async () => {
  const port = await freePort();
  const { host, rules } = slowWorker(port);
  const way = new MetadataRoute('one-port', async () => host);
  const signal = AbortSignal.timeout(5_000);
  const tunnel = await way.open(() => {}, signal);
  await way.use('virbr0', signal);
  const listener = await way.open(() => {}, signal, { address: '0.0.0.0', port });
  assert.equal(rules.size, 2);
  await listener.close();
  assert.deepEqual(rules, new Set([`${port}`]));
  await tunnel.close();
  assert.equal(rules.size, 0);
});
