import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { endGuestProcesses, guestProcesses } from '../../lib/sandbox/guest-processes.ts';
import { endOf } from '../support/child.ts';
import { waitFor, waitForPromise } from '../support/wait.ts';

const sh = (t: TestContext, mark: string | undefined, script: string) => {
  const env = mark === undefined ? { PATH: process.env['PATH'] } : { PATH: process.env['PATH'], RECHECK_GUEST: mark };
  const child = spawn('/bin/sh', ['-c', script], { env, detached: true, stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child;
};

test('all processes of a guest are found and ended, even detached ones; other processes continue', async (t) => {
  const mark = `unit/${randomUUID()}`;
  const plain = sh(t, mark, 'exec sleep 1000');
  sh(t, mark, 'setsid sh -c "sleep 1000 & sleep 1000" & exit 0');
  const emptied = sh(t, mark, 'env -i sleep 1000 & setsid env -i sleep 1000 & wait');
  // A mark with the same beginning, a mark in an argument only, and no mark.
  const others = [
    sh(t, `${mark}-2`, 'exec sleep 1000'),
    sh(t, undefined, `exec sleep 1000 # RECHECK_GUEST=${mark}`),
    sh(t, undefined, 'exec sleep 1000'),
  ];
  await waitFor('all processes run', () => guestProcesses(mark).length === 7);
  const ended = Promise.all([endOf(plain), endOf(emptied)]);
  assert.deepEqual(await endGuestProcesses(mark, 5_000), []);
  await waitForPromise('both have ended', ended);
  assert.deepEqual(guestProcesses(mark), []);
  for (const other of others) assert.equal(other.exitCode ?? other.signalCode, null);
});

test('a guest that keeps starting processes is ended too', async (t) => {
  const mark = `unit/${randomUUID()}`;
  sh(t, mark, 'while :; do sleep 1000 & sleep 0.01; done');
  await waitFor('it has started several', () => guestProcesses(mark).length > 5);
  assert.deepEqual(await endGuestProcesses(mark, 5_000), []);
});
