import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runUserScript } from '../../../lib/sandbox/guest/user-script.ts';
import { endGuestProcesses } from '../../../lib/sandbox/guest-processes.ts';

const folder = await mkdtemp(join(tmpdir(), 'recheck-script-'));
const mark = `script/${randomUUID()}`;
after(async () => {
  await endGuestProcesses(mark, 5_000);
  await rm(folder, { recursive: true });
});

async function run(text: string, timeout = 20_000) {
  let output = '';
  const write = (chunk: Buffer) => {
    output += chunk;
  };
  const env = { PATH: process.env['PATH']!, RECHECK_GUEST: mark };
  const outcome = await runUserScript(text, { home: folder, tmp: folder, env, timeout, write });
  return { outcome, output };
}

test('a script runs in the home folder with its interpreter, and its end is described', async () => {
  assert.deepEqual(await run('#!/bin/sh\npwd; echo no >&2; exit 3\n'), {
    outcome: 'ended with exit code 3',
    output: `${folder}\nno\n`,
  });
  assert.equal((await run('#!/bin/sh\nkill -9 $$\n')).outcome, 'was ended by SIGKILL');
  assert.match((await run('#!/no/such/interpreter\n')).outcome, /could not be started/);
});

test('background processes and endless scripts do not delay the boot', async () => {
  assert.equal((await run('#!/bin/sh\nsleep 1000 & exit 0\n')).outcome, 'ended with exit code 0');
  assert.equal((await run('#!/bin/sh\nsleep 1000\n', 200)).outcome, 'is still running after 0.2 s; the boot continues');
});

test('a flood of output is read completely, and the console gets one mebibyte of it', async () => {
  const { outcome, output } = await run('#!/bin/sh\nhead -c 20000000 /dev/zero | tr "\\0" x\n');
  assert.equal(outcome, 'ended with exit code 0');
  assert.equal(output.length, 1024 * 1024);
});
