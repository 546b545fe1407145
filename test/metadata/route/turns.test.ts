import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetadataRoutes } from '../../../lib/metadata/routes.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { scriptedHost } from '../../libvirt/scripted-host.ts';
import { freePort } from '../../support/free-port.ts';

/**
 * Returns a worker on which each program takes 10 ms. It keeps the destinations of its rules, as iptables would: a port,
 * preceded by the address unless that is 127.0.0.1.
 *
 * @param first the first port that SSH forwards
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

test('a link that opens while the previous one closes keeps its rules, since programs run one at a time', async () => {
  const { host, rules, seen } = slowWorker();
  const route = new MetadataRoutes().of('turns', async () => host);
  const open = () => route.open(() => {}, AbortSignal.timeout(5_000));
  let link = await open();
  await route.use('virbr0', AbortSignal.timeout(5_000));
  for (let i = 0; i < 5; i += 1) {
    const [next] = await Promise.all([open(), link.close(), route.use('virbr0', AbortSignal.timeout(5_000))]);
    link = next;
    await route.use('virbr0', AbortSignal.timeout(5_000));
    assert.equal(rules.size, 1, [...rules].join());
    assert.ok(rules.has(`${4712 + i}`), 'the rules lead to the open link');
  }
  await link.close();
  assert.equal(rules.size, 0);
  assert.equal(seen.most, 1);
});

test('rules are set once for guests that start together, and again for one that starts meanwhile', async () => {
  const { host, rules, seen } = slowWorker();
  const route = new MetadataRoutes().of('together', async () => host);
  const link = await route.open(() => {}, AbortSignal.timeout(5_000));
  const use = () => route.use('virbr0', AbortSignal.timeout(5_000));
  const before = seen.programs;
  await Promise.all([use(), use(), use()]);
  assert.equal(seen.programs - before, 1);
  // Someone may flush the rules in between, so a program that started before a request does not serve it.
  const first = use();
  await sleep(5);
  rules.clear();
  await Promise.all([first, use()]);
  assert.equal(seen.programs - before, 3);
  assert.equal(rules.size, 1);
  await link.close();
});

test('closing one of two links leaves the rules of the other, which has an address of this machine', async () => {
  const { host, rules } = slowWorker();
  const route = new MetadataRoutes().of('two-links', async () => host);
  const signal = AbortSignal.timeout(5_000);
  const port = await freePort();
  const tunnel = await route.open(() => {}, signal);
  await route.use('virbr0', signal);
  const listener = await route.open(() => {}, signal, { address: '0.0.0.0', port });
  assert.deepEqual(rules, new Set(['4711', `0_0_0_0_${port}`]));
  await tunnel.close();
  assert.deepEqual(rules, new Set([`0_0_0_0_${port}`]));
  const next = await route.open(() => {}, signal);
  assert.deepEqual(rules, new Set([`0_0_0_0_${port}`, '4712']), 'the bridge was not forgotten');
  await listener.close();
  assert.deepEqual(rules, new Set(['4712']));
  await next.close();
  assert.equal(rules.size, 0);
});

test('two links with the same port on different addresses do not remove each other’s rules', async () => {
  const port = await freePort();
  const { host, rules } = slowWorker(port);
  const route = new MetadataRoutes().of('same-port', async () => host);
  const signal = AbortSignal.timeout(5_000);
  const tunnel = await route.open(() => {}, signal);
  await route.use('virbr0', signal);
  const listener = await route.open(() => {}, signal, { address: '0.0.0.0', port });
  assert.equal(rules.size, 2);
  await listener.close();
  assert.deepEqual(rules, new Set([`${port}`]));
  await tunnel.close();
  assert.equal(rules.size, 0);
});
