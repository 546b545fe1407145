import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TriggersSeen } from '../../lib/store/triggers-seen.ts';

test('a key is admitted once', async () => {
  const seen = new TriggersSeen();
  assert.equal(await seen.admit('a'), true);
  assert.equal(await seen.admit('b'), true);
  assert.equal(await seen.admit('a'), false);
});

test('the oldest keys are forgotten once there are more than fifty thousand', async () => {
  const seen = new TriggersSeen();
  for (let key = 0; key <= 50_000; key++) await seen.admit(String(key));
  assert.equal(await seen.admit('1'), false, 'still remembered');
  assert.equal(await seen.admit('0'), true, 'forgotten');
});
