import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from '../../lib/store/slots.ts';

test('a host’s slots are limited, and a build holds at most one', async () => {
  const slots = new Slots();
  assert.equal(await slots.acquire('h', 2, 'a'), 0);
  assert.equal(await slots.acquire('h', 2, 'a'), 0);
  assert.equal(await slots.acquire('h', 2, 'b'), 1);
  assert.equal(await slots.acquire('h', 2, 'c'), undefined);
  await slots.release('h', 'a');
  assert.equal(await slots.acquire('h', 2, 'c'), 0);
  assert.equal(await slots.held('h'), 2);
});
