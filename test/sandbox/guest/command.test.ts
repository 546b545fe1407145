import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { exec, outcome } from '../../support/ssh-client.ts';
import { waitFor, waitForPromise } from '../../support/wait.ts';
import { guestFor } from './client.ts';

test('exit codes and signals arrive as sshd sends them', async (t) => {
  const client = await (await guestFor(t)).connect();
  const exitOf = async (command: string) => (await outcome(await exec(client, command))).exit.slice(0, 2);
  assert.deepEqual(await exitOf('exit 0'), [0]);
  assert.deepEqual(await exitOf('exit 255'), [255]);
  assert.deepEqual(await exitOf('no-such-command'), [127]);
  assert.deepEqual(await exitOf('kill -TERM $$'), [null, 'SIGTERM']);
  assert.deepEqual(await exitOf('kill -KILL $$'), [null, 'SIGKILL']);
  assert.deepEqual(await exitOf('kill -XCPU $$'), [152], 'SSH has no name for this signal');
});

test('the exit is reported immediately, and later output of a background process still arrives', async (t) => {
  const { world, connect } = await guestFor(t);
  const background = 'while ! test -e go; do sleep 0.05; done; echo late';
  const { channel, exited, closed } = await exec(await connect(), `(${background}) & echo early; exit 7`);
  let seen = '';
  channel.on('data', (chunk: Buffer) => {
    seen += chunk;
  });
  assert.deepEqual(await waitForPromise('the exit is reported', exited), [7]);
  assert.doesNotMatch(seen, /late/);
  await writeFile(join(world.root, 'clones', 'unit-1', 'go'), '');
  await waitForPromise('the channel closes', closed);
  assert.equal(seen, 'early\nlate\n');
});

test('stdin arrives completely, and what a command does not read is discarded', async (t) => {
  const client = await (await guestFor(t)).connect();
  const bytes = Buffer.alloc(5_000_000, 'abcdefg');
  const count = await exec(client, 'sha256sum');
  count.channel.end(bytes);
  const sum = createHash('sha256').update(bytes).digest('hex');
  assert.equal((await outcome(count)).stdout, `${sum}  -\n`);
  const deaf = await exec(client, 'exec <&-; echo deaf');
  deaf.channel.end(bytes);
  assert.equal((await outcome(deaf)).stdout, 'deaf\n');
});

test('a signal from the client reaches the whole process group', async (t) => {
  const client = await (await guestFor(t)).connect();
  // Wait for the output first: bash defers SIGTERM while it forks, and the new child would not receive it.
  const sleeping = await exec(client, 'sleep 1000 & echo begun; wait; echo never');
  sleeping.channel.once('data', () => sleeping.channel.signal('TERM'));
  const { exit, stdout } = await outcome(sleeping);
  assert.deepEqual(exit.slice(0, 2), [null, 'SIGTERM']);
  assert.equal(stdout, 'begun\n');
});

test('a command blocks while its output is not read, and continues when its client closes', async (t) => {
  const { world, connect } = await guestFor(t);
  const client = await connect();
  const written = join(world.root, 'clones', 'unit-1', 'written');
  const sizeOf = () =>
    stat(written).then(
      ({ size }) => size,
      () => 0,
    );
  // Each byte of `written` stands for 64 KiB of output.
  const { channel } = await exec(
    client,
    'while head -c 65536 /dev/zero; do printf x >> written; done 2>/dev/null; echo > end',
  );
  channel.pause();
  await waitFor('the command writes', async () => (await sizeOf()) > 0);
  let before = -1;
  await waitFor('the command is blocked', async () => {
    const now = await sizeOf();
    const same = now === before;
    before = now;
    await delay(200);
    return same;
  });
  assert.ok(before < 200, `${before} pieces were read from a command whose output is not read`);
  channel.destroy();
  await waitFor('its pipe is closed', () =>
    stat(join(world.root, 'clones', 'unit-1', 'end')).then(Boolean, () => false),
  );
});

test('simultaneous floods on stdout and stderr arrive completely', async (t) => {
  const client = await (await guestFor(t)).connect();
  const { channel, closed } = await exec(client, 'seq 1 300000 & seq 300001 600000 >&2; wait');
  const hashes = [createHash('sha256'), createHash('sha256')];
  // At first, both are blocked by SSH's window.
  channel.pause();
  channel.stderr.pause();
  await delay(300);
  channel.on('data', (chunk: Buffer) => hashes[0]!.update(chunk)).resume();
  channel.stderr.on('data', (chunk: Buffer) => hashes[1]!.update(chunk)).resume();
  await waitForPromise('both have arrived', closed, 60_000);
  const expected = await outcome(await exec(client, 'seq 1 300000 | sha256sum; seq 300001 600000 | sha256sum'));
  assert.equal(hashes.map((hash) => `${hash.digest('hex')}  -\n`).join(''), expected.stdout);
});
