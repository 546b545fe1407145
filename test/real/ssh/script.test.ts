import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import { runScript } from '../../../lib/ssh/script.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { type OpenSsh, startOpenSsh } from '../../support/openssh.ts';
import { allGone, pidsIn, run } from '../../support/script.ts';
import { runs, waitFor } from '../../support/wait.ts';

let sshd: OpenSsh;
let host: Host;
const login = (): Promise<Host> =>
  connectHost(sshd.target, { knownHosts: new KnownHosts(join(sshd.dir, 'known.json')) });

before(async () => {
  sshd = await startOpenSsh();
  // A script that runs as another user writes here.
  chmodSync(sshd.dir, 0o777);
  host = await login();
});
after(async () => {
  host.close();
  await sshd.remove();
});

const filled = (file: string) => (): boolean => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n');

test('exit code and signal are those of the script, and its files are removed', async () => {
  const { output, code } = await run(host, 'dirname "$0"; exit 137');
  assert.equal(code, 137);
  assert.match(output, /^\/\S+\/recheck\.\w+\n$/);
  assert.equal(existsSync(output.trim()), false);
  assert.equal((await run(host, 'kill -SEGV $$')).signal, 'SEGV');
  assert.equal((await run(host, 'cat >/dev/null; false; true')).code, 1);
});

test('a background child that keeps the output open is killed a second later', async () => {
  const file = join(sshd.dir, 'background');
  const began = Date.now();
  const { code, output } = await run(host, `sleep 1000 & echo $! >${file}; echo done`);
  assert.deepEqual({ code, output }, { code: 0, output: 'done\n' });
  assert.ok(Date.now() - began < 100_000);
  await allGone(pidsIn(file));
});

test('a timeout kills the whole session, even processes that ignore signals', async () => {
  const file = join(sshd.dir, 'tree');
  const text = `set -m
    sh -c 'trap "" TERM HUP; echo $$ >>${file}; while :; do sleep 1; done' &
    nohup sleep 1000 >/dev/null 2>&1 & echo $! $$ >>${file}
    wait`;
  const { timedOut } = await run(host, text, { interpreter: '/bin/bash', timeout: 1000 });
  assert.equal(timedOut, true);
  assert.equal(pidsIn(file).length, 3);
  await allGone(pidsIn(file));
});

test('an abort kills the script', async () => {
  const file = join(sshd.dir, 'aborted');
  const abort = new AbortController();
  const running = run(host, `echo $$ >${file}; sleep 1000`, { signal: abort.signal });
  await waitFor('it runs', filled(file));
  abort.abort(new Error('superseded'));
  await assert.rejects(running, /superseded/);
  await allGone(pidsIn(file));
});

test('a lost connection kills the remote script and removes its files', async () => {
  const file = join(sshd.dir, 'lost');
  const other = await login();
  const running = run(other, `dirname "$0" >${file}.dir; echo $$ >${file}; sleep 1000`);
  await waitFor('it runs', filled(file));
  other.close();
  await assert.rejects(running, (error: CiError) => error.code === 'ssh/closed');
  await waitFor('the script has ended', async () => !(await runs(pidsIn(file)[0]!)));
  const folder = readFileSync(`${file}.dir`, 'utf8').trim();
  await waitFor('its files are gone', () => !existsSync(folder));
});

test('output that nobody reads stays on the host: memory does not grow', async () => {
  const size = 300_000_000;
  const before = process.memoryUsage().rss;
  let most = 0;
  let bytes = 0;
  let rest = true;
  const result = await runScript(
    host,
    { text: `head -c ${size} /dev/zero`, interpreter: '/bin/sh', env: {}, timeout: 120_000 },
    {
      signal: new AbortController().signal,
      onOutput: (chunk) => {
        bytes += chunk.length;
        most = Math.max(most, process.memoryUsage().rss - before);
        if (!rest) return;
        rest = false;
        return sleep(1500);
      },
    },
  );
  assert.equal(result.code, 0);
  assert.equal(bytes, size);
  assert.ok(most < 150_000_000, `grew by ${most} bytes`);
});

// Only root can switch to any user.
test('a script of another user has its home and name, and can be killed', { skip: userInfo().uid !== 0 }, async () => {
  const { output, code } = await run(host, 'id -un; echo "$HOME $USER $A"; stat -c %U "$0"; exit 5', {
    user: 'nobody',
    env: { A: 'b' },
  });
  assert.equal(code, 5);
  assert.match(output, /^nobody\n\/\S* nobody b\nnobody\n$/);
  const file = join(sshd.dir, 'nobody');
  const text = `trap '' TERM; echo $$ >${file}; while :; do sleep 1; done`;
  assert.equal((await run(host, text, { user: 'nobody', timeout: 1000 })).timedOut, true);
  await allGone(pidsIn(file));
  await assert.rejects(run(host, 'true', { user: 'no-such-user' }), (error: CiError) => {
    assert.match(error.message, /as user no-such-user/);
    return error.code === 'ssh/script-not-started';
  });
});
