import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freeLoopback } from '../../../lib/sandbox/worker/loopback.ts';

test('an address is bindable, in the range for guests, and returned only once', async () => {
  const taken = new Set<string>();
  const take = () => freeLoopback(taken);
  const address = await take();
  assert.match(address, /^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\.\d{1,3}$/);
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  await Promise.all(Array.from({ length: 10 }, take));
  assert.equal(taken.size, 11);
  server.close();
});

test('an error is thrown if every address is taken', async () => {
  const all = Object.assign(new Set<string>(), { has: () => true });
  await assert.rejects(freeLoopback(all), { code: 'worker/no-loopback' });
});
