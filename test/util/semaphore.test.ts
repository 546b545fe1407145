import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Semaphore } from '../../lib/util/semaphore.ts';

test('the permitted number runs at once, the others wait in order, and a failure returns its permit', async () => {
  const turnstile = new Semaphore(2);
  const began: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<number>());
  const passes = gates.map((gate, index) =>
    turnstile.pass(() => {
      began.push(index);
      return gate.promise;
    }),
  );
  assert.deepEqual(began, [0, 1]);
  gates[1]!.reject(new Error('no'));
  await assert.rejects(passes[1]!, /no/);
  assert.deepEqual(began, [0, 1, 2]);
  gates[0]!.resolve(7);
  assert.equal(await passes[0], 7);
  gates[2]!.resolve(0);
  gates[3]!.resolve(0);
  await Promise.all([passes[2], passes[3]]);
  assert.deepEqual(began, [0, 1, 2, 3]);
  assert.equal(await turnstile.pass(async () => 1), 1);
});
