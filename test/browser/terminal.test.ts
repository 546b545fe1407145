import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startProduct, stateDir } from './product.ts';

test('the first start explains itself, the second finds its state again', { timeout: 180_000 }, async (t) => {
  const dir = stateDir(t);
  const product = await startProduct(t, dir);
  await product.says(/^Now comment/m);
  const said = product.said();
  assert.match(said, /^Recheck sandbox: .*Nothing leaves it\./);
  assert.match(said, new RegExp(`editor\\s+${product.url}/\n`));
  assert.match(said, new RegExp(`changes\\s+${product.url}/sandbox\\s`));
  assert.match(said, /state\s+\S+\/\s+delete it to start over/);
  const [, broken = '', good = ''] = said.split(/\nchange \d+, patchset 1 on demo: /);
  for (const [part, change, vote, words] of [
    [broken, 1, '-1', 'Build failed'],
    [good, 2, '+1', 'Build succeeded'],
  ] as const) {
    for (const job of ['unit', 'lint', 'strict']) {
      assert.match(part, new RegExp(`^  ${job} +cloned .+ · booted .+ · (SUCCESS|FAILURE) in \\d+s$`, 'm'));
    }
    const review = `\nreview posted: Verified ${vote}     ${product.url}/sandbox/${change}\n${words} (check pipeline).\n`;
    assert.ok(part.includes(review), part);
    // The review comes after the jobs that it tells of, and ends the part.
    assert.match(part.slice(part.indexOf(review) + review.length), /^\n?(Now comment.*\n)?$/);
  }
  assert.doesNotMatch(said, /^ {2}! |Error|\[object|undefined/m);
  assert.equal(await product.stop(), 0);

  const again = await startProduct(t, dir);
  await again.says(/^Now comment/m);
  assert.match(again.said(), /found again from an earlier start/);
  assert.match(again.said(), /The changes of an earlier start are there again/);
  assert.doesNotMatch(again.said(), /review posted|patchset 1 on demo/);
  const page = await (await fetch(`${again.url}/sandbox/2`)).text();
  assert.match(page, /Build succeeded \(check pipeline\)\./);
  assert.equal(await again.stop(), 0);
});

test('a taken port is named, with what to do', { timeout: 60_000 }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const product = await startProduct(t, stateDir(t), port);
  assert.equal(await product.ended, 1);
  assert.match(product.said(), new RegExp(`Port ${port} of 127\\.0\\.0\\.1 is taken`));
  assert.match(product.said(), new RegExp(`PORT=${port + 1} npm start`));
  assert.doesNotMatch(product.said(), /\n\s+at /);
});
