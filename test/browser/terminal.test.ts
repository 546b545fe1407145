import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startProduct, stateDir } from './product.ts';

test('the first start prints each step, and the second continues with the same state', {
  timeout: 180_000,
}, async (t) => {
  const dir = stateDir(t);
  const product = await startProduct(t, dir);
  await product.waitForLine(/^Now comment/m);
  const output = product.output();
  assert.match(output, /^Recheck sandbox: .*Nothing leaves it\./);
  assert.match(output, new RegExp(`editor\\s+${product.url}/\n`));
  assert.match(output, new RegExp(`changes\\s+${product.url}/sandbox\\s`));
  assert.match(output, /state\s+\S+\/\s+delete it to start over/);
  const [, broken = '', good = ''] = output.split(/\nchange \d+, patchset 1 on demo: /);
  for (const [part, change, vote, outcome] of [
    [broken, 1, '-1', 'Build failed'],
    [good, 2, '+1', 'Build succeeded'],
  ] as const) {
    for (const job of ['unit', 'lint', 'strict']) {
      assert.match(part, new RegExp(`^  ${job} +cloned .+ · booted .+ · (SUCCESS|FAILURE) in \\d+s$`, 'm'));
    }
    const review = `\nreview posted: Verified ${vote}     ${product.url}/sandbox/${change}\n${outcome} (check pipeline).\n`;
    assert.ok(part.includes(review), part);
    // The review follows its jobs and comes last.
    assert.match(part.slice(part.indexOf(review) + review.length), /^\n?(Now comment.*\n)?$/);
  }
  assert.doesNotMatch(output, /^ {2}! |Error|\[object|undefined/m);
  assert.equal(await product.stop(), 0);

  const again = await startProduct(t, dir);
  await again.waitForLine(/^Now comment/m);
  assert.match(again.output(), /continues from an earlier start/);
  assert.match(again.output(), /Changes of an earlier start/);
  assert.doesNotMatch(again.output(), /review posted|patchset 1 on demo/);
  const page = await (await fetch(`${again.url}/sandbox/2`)).text();
  assert.match(page, /Build succeeded \(check pipeline\)\./);
  assert.equal(await again.stop(), 0);
});

test('an error about a port in use says what to do', { timeout: 60_000 }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const product = await startProduct(t, stateDir(t), port);
  assert.equal(await product.ended, 1);
  assert.match(product.output(), new RegExp(`Port ${port} of 127\\.0\\.0\\.1 is in use`));
  assert.match(product.output(), new RegExp(`PORT=${port + 1} npm start`));
  assert.doesNotMatch(product.output(), /\n\s+at /);
});
