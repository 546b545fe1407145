import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../lib/util/backoff.ts';

test('delays grow to a minute, and are reset after good service', () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 20 }, () => backoff.next(0));
  assert.ok(waits[0]! >= 375 && waits[0]! <= 625);
  assert.ok(waits[4]! > waits[0]! * 2);
  assert.ok(waits.every((wait) => wait <= 75_000));
  assert.ok(waits.at(-1)! >= 45_000);
  assert.ok(backoff.next(119_000) >= 45_000);
  assert.ok(backoff.next(120_000) <= 625);
});
