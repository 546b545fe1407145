import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { runScript } from '../../lib/ssh/script.ts';
import { allGone, pidsIn, run, scriptTests } from '../support/script.ts';
import { runs, waitFor } from '../support/wait.ts';

const { dir, files, noFilesLeft, login, server, onBoth } = scriptTests();

onBoth((host) => {
  test('a background process that keeps the output open does not delay the step', async () => {
    const began = Date.now();
    const { code, output } = await run(host(), `sleep 1000 & echo $! >${dir}/bg; echo done`);
    assert.equal(code, 0);
    assert.equal(output, 'done\n');
    assert.ok(Date.now() - began < 100_000);
    await allGone(pidsIn(join(dir, 'bg')));
    noFilesLeft();
  });

  test('the last output of a background process is still received', async () => {
    assert.equal((await run(host(), '(sleep 0.3; echo late) & echo early')).output, 'early\nlate\n');
  });

  test('a timeout ends the whole session: grandchildren, other process groups, and processes that ignore TERM', async () => {
    const file = join(dir, 'tree');
    const text = `set -m
      trap 'echo bye' TERM
      sh -c 'trap "" TERM; echo $$ >>${file}; while :; do sleep 1; done' &
      bash -c 'sleep 1000 & echo $! $$ >>${file}; wait' >/dev/null 2>&1 &
      echo $$ >>${file}
      wait; sleep 1000`;
    rmSync(file, { force: true });
    const { timedOut, code, signal } = await run(host(), text, { interpreter: '/bin/bash', timeout: 700 });
    assert.equal(timedOut, true);
    assert.ok(code !== 0 || signal !== undefined);
    assert.equal(pidsIn(file).length, 4);
    await allGone(pidsIn(file));
    noFilesLeft();
  });

  test('an abort ends the script and rejects with its reason', async () => {
    const abort = new AbortController();
    const reason = new Error('superseded');
    const file = join(dir, 'aborted');
    rmSync(file, { force: true });
    const running = run(host(), `echo $$ >${file}; sleep 1000`, { signal: abort.signal });
    await waitFor('it runs', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    abort.abort(reason);
    await assert.rejects(running, (error) => error === reason);
    await allGone(pidsIn(file));
    noFilesLeft();
    await assert.rejects(run(host(), 'true', { signal: abort.signal }), (error) => error === reason);
  });

  test('a reader that fails ends the script', async () => {
    const disk = new Error('disk full');
    for (const onOutput of [
      () => {
        throw disk;
      },
      () => Promise.reject(disk),
    ]) {
      const script = { text: 'yes', interpreter: '/bin/sh', env: {}, timeout: 60_000 };
      await assert.rejects(
        runScript(host(), script, { signal: new AbortController().signal, onOutput }),
        (error) => error === disk,
      );
    }
    noFilesLeft();
  });

  test('a target without setsid still runs and ends scripts', async () => {
    const tools = join(dir, 'tools');
    mkdirSync(tools, { recursive: true });
    const path = process.env['PATH']!;
    for (const tool of ['mktemp', 'dd', 'wc', 'cat', 'rm', 'sleep', 'id']) {
      rmSync(join(tools, tool), { force: true });
      symlinkSync(
        execFileSync('/bin/sh', ['-c', `command -v ${tool}`])
          .toString()
          .trim(),
        join(tools, tool),
      );
    }
    process.env['PATH'] = tools;
    try {
      assert.equal((await run(host(), 'echo here', { interpreter: '/bin/sh' })).output, 'here\n');
      const file = join(dir, 'plain');
      const text = `sleep 1000 & echo $! $$ >${file}; wait`;
      assert.ok((await run(host(), text, { interpreter: '/bin/sh', timeout: 400 })).timedOut);
      await allGone(pidsIn(file));
      noFilesLeft();
    } finally {
      process.env['PATH'] = path;
    }
  });
});

test('a lost connection rejects, and the script is ended on its target all the same', async () => {
  const host = await login();
  const file = join(dir, 'lost');
  const running = run(host, `echo $$ >${file}; sleep 1000`);
  await waitFor('it runs', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
  server().cut();
  await assert.rejects(running, (error: CiError) => error.code === 'ssh/connection-lost');
  const [pid] = pidsIn(file);
  await waitFor('the script is ended', async () => !(await runs(pid!)));
  await waitFor('its files are gone', () => readdirSync(files).length === 0);
});
