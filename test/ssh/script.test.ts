import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { runScript } from '../../lib/ssh/script.ts';
import { run, scriptTests } from '../support/script.ts';

const { dir, files, noFilesLeft, onBoth } = scriptTests();

/** A folder with fake programs. */
function tools(name: string, programs: Record<string, string>): string {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  for (const [program, text] of Object.entries(programs)) {
    writeFileSync(join(folder, program), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  return folder;
}

/** Calls a function while the targets, which inherit this process's environment, find those programs first. */
async function withPath<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = process.env['PATH'];
  process.env['PATH'] = `${folder}:${path}`;
  try {
    return await work();
  } finally {
    process.env['PATH'] = path;
  }
}

onBoth((host) => {
  test('output arrives in order, with exit code and duration', async () => {
    const { output, code, signal, timedOut, duration } = await run(
      host(),
      'for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 7',
    );
    assert.equal(output, 'out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n');
    assert.deepEqual({ code, signal, timedOut }, { code: 7, signal: undefined, timedOut: false });
    assert.ok(duration > 0 && duration < 20_000);
    noFilesLeft();
  });

  test('exit code and signal are the script’s own', async () => {
    assert.equal((await run(host(), 'true')).code, 0);
    assert.equal((await run(host(), 'exit 137')).code, 137);
    const killed = await run(host(), 'kill -9 $$');
    assert.equal(killed.signal, 'KILL');
    assert.equal(killed.code, undefined);
    noFilesLeft();
  });

  test('a script that reads stdin does not consume itself', async () => {
    assert.equal((await run(host(), 'cat >/dev/null\nfalse\ntrue')).code, 1);
  });

  test('the default interpreter traces and stops at the first failure; the trace shows no environment', async () => {
    const { output, code } = await run(host(), 'echo one\nfalse\necho two\n', {
      interpreter: '',
      env: { TOKEN: 'very-secret' },
    });
    assert.equal(output, '+ echo one\none\n+ false\n');
    assert.equal(code, 1);
  });

  test('interpreters as rally-ci writes them, and others', async () => {
    assert.equal((await run(host(), 'echo "$-"', { interpreter: '/bin/bash -xe -s' })).output, '+ echo ehxB\nehxB\n');
    assert.equal((await run(host(), 'echo $0', { interpreter: ' /bin/sh  - ' })).output.startsWith(files), true);
    const node = await run(host(), 'console.log(process.argv.length)', { interpreter: process.execPath });
    assert.equal(node.output, '2\n');
    assert.equal((await run(host(), 'true', { interpreter: '/no/such/shell' })).code, 127);
    noFilesLeft();
  });

  test('the environment arrives unchanged, whatever it contains', async () => {
    const env = {
      PLAIN: 'a',
      EMPTY: '',
      QUOTES: `it's "x" \\ $HOME \`id\` $(id) %s !`,
      LINES: 'one\ntwo\n',
      UNICODE: 'ümläut ☃',
      dir: 'not ours',
      script: 'neither',
      env: 'nor this',
      session: '-x',
      IFS: 'a/',
      PATH: '/nowhere',
    };
    const text = 'console.log(JSON.stringify(process.env))';
    const { output } = await run(host(), text, { interpreter: process.execPath, env });
    const got = JSON.parse(output);
    for (const [name, value] of Object.entries(env)) {
      // A shell exports IFS only if it is told to.
      assert.equal(got[name], value, name);
    }
  });

  test('invalid names and values with NUL are refused', async () => {
    for (const [name, value] of Object.entries({ 'A B': '1', '1A': '1', 'X;id': '1', '': '1', A: 'a\0b' })) {
      const env = { [name]: value };
      await assert.rejects(run(host(), 'true', { env }), (e: CiError) => e.code === 'ssh/script-environment');
    }
    await assert.rejects(run(host(), 'true', { user: '-x' }), (e: CiError) => e.code === 'ssh/script-user');
  });

  test('the process list shows nothing of script and environment, and the files are private', async () => {
    const { output } = await run(
      host(),
      `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >${dir}/ps; stat -c %a "$(dirname "$0")" "$0"; umask; : marker-of-script`,
      { env: { TOKEN: 'very-secret-token' } },
    );
    const list = readFileSync(join(dir, 'ps'), 'utf8');
    assert.ok(list.includes('/bin/bash -e'));
    assert.ok(!list.includes('very-secret-token') && !list.includes('marker-of-script'));
    const usual = execFileSync('/bin/sh', ['-c', 'umask']).toString();
    assert.equal(output, `700\n600\n${usual}`);
  });

  test('output waits while its reader is busy, and nothing is lost', async () => {
    let bytes = 0;
    let open = 0;
    let most = 0;
    const text = 'head -c 30000000 /dev/zero';
    const result = await runScript(
      host(),
      { text, interpreter: '/bin/sh', env: {}, timeout: 60_000 },
      {
        signal: new AbortController().signal,
        onOutput: async (chunk) => {
          most = Math.max(most, ++open);
          bytes += chunk.length;
          await sleep(1);
          open -= 1;
        },
      },
    );
    assert.equal(result.code, 0);
    assert.equal(bytes, 30_000_000);
    assert.equal(most, 1);
  });

  test('a large script and a large environment value arrive', async () => {
    const text = `${'# a line of a comment that is long enough\n'.repeat(8000)}echo "\${#BIG}"`;
    assert.equal((await run(host(), text, { env: { BIG: 'x'.repeat(100_000) } })).output, '100000\n');
  });

  test('another user is reached through sudo, without a prompt and with a clear error if it refuses', async () => {
    const me = userInfo().username;
    const asked = join(dir, 'asked');
    const granted = tools('granted', {
      id: '[ "$1" = -un ] && echo login || echo 1000',
      sudo: `echo "$1 $2 $3 $4" >${asked}; shift 4; exec "$@"`,
    });
    const { output, code } = await withPath(granted, () =>
      run(host(), 'echo "$USER $A"', { user: me, env: { A: 'b' } }),
    );
    assert.deepEqual({ output, code }, { output: `${me} b\n`, code: 0 });
    assert.equal(readFileSync(asked, 'utf8'), `-n -u ${me} --\n`);

    const refused = tools('refused', {
      id: '[ "$1" = -un ] && echo login || echo 1000',
      sudo: 'echo "sudo: a password is required" >&2; exit 1',
    });
    await assert.rejects(
      withPath(refused, () => run(host(), 'true', { user: me })),
      (error: CiError) => {
        assert.match(
          error.message,
          new RegExp(`as user ${me}: sudo: a password.*sudo must allow it.*as ${me} without`),
        );
        return error.code === 'ssh/script-not-started';
      },
    );
  });

  test('a user that is the login itself needs no sudo', async () => {
    const { output, code } = await run(host(), 'id -un', { user: userInfo().username });
    assert.deepEqual({ output, code }, { output: `${userInfo().username}\n`, code: 0 });
  });

  test('if no temporary folder can be created, the script is not started, and the reason is reported', async () => {
    const full = tools('full', { mktemp: 'echo "mktemp: No space left on device" >&2; exit 1' });
    await assert.rejects(
      withPath(full, () => run(host(), 'true')),
      (error: CiError) => {
        assert.equal(error.code, 'ssh/script-not-started');
        assert.equal(error.result, 'DISK_FULL');
        assert.match(error.message, /No space left/);
        return true;
      },
    );
  });
});
