import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeout } from '../../lib/util/abort.ts';

// A timer that is aborted rejects with an error of its own.
const work = (signal: AbortSignal) => sleep(60_000, undefined, { signal });

test('work that exceeds its limit rejects with the error for that, whatever it throws on the abort', async () => {
  const late = new Error('the guest does not answer');
  await assert.rejects(
    withTimeout(new AbortController().signal, 5, () => late, work),
    late,
  );
});

test('aborted work rejects with the reason; its other errors are passed on', async () => {
  const reason = new Error('the build was aborted');
  const control = new AbortController();
  const done = withTimeout(control.signal, 60_000, () => new Error('late'), work);
  control.abort(reason);
  await assert.rejects(done, reason);
  const own = new Error('its own');
  const fails = () => Promise.reject(own);
  await assert.rejects(
    withTimeout(new AbortController().signal, 60_000, () => new Error('late'), fails),
    own,
  );
});
