import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { HARD_WORDS } from '../../support/hard-words.ts';
import { startOpenSsh } from '../../support/openssh.ts';
import { run } from '../../support/script.ts';

const EXTERNAL_SFTP = 'Subsystem sftp /usr/lib/openssh/sftp-server';

interface Account {
  /** Files of its home. */
  files?: Record<string, string>;
  /** An sh script to use as its login shell. */
  shell?: string;
  settings?: string[];
}

async function login(t: TestContext, { files = {}, shell, settings = [] }: Account): Promise<Host> {
  const home = mkdtempSync(join(tmpdir(), 'home-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  const program = join(home, 'shell');
  if (shell !== undefined) writeFileSync(program, `#!/bin/sh\n${shell}\n`);
  if (shell !== undefined) chmodSync(program, 0o755);
  const account = shell === undefined ? { home, shell: '/bin/bash' } : { home, shell: program };
  const sshd = await startOpenSsh(
    settings.some((line) => line.startsWith('Subsystem')) ? settings : [EXTERNAL_SFTP, ...settings],
    account,
  );
  const host = await connectHost(sshd.target, { knownHosts: new KnownHosts(join(sshd.dir, 'known.json')) });
  t.after(async () => {
    host.close();
    await sshd.remove();
    rmSync(home, { recursive: true });
  });
  return host;
}

/** Checks that all ways to run something pass on arguments, input, both outputs, exit codes and signals unchanged. */
async function assertWorks(host: Host): Promise<void> {
  const printed = await host.run(['printf', '%s|', ...HARD_WORDS]);
  assert.deepEqual(printed, { code: 0, stdout: HARD_WORDS.map((word) => `${word}|`).join(''), stderr: '' });
  assert.deepEqual(await host.run(['sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: 'in\0put' }), {
    code: 3,
    stdout: 'in\0put',
    stderr: 'err\n',
  });
  assert.equal((await host.run(['sh', '-c', 'kill -TERM $$'])).signal, 'TERM');
  assert.equal((await host.run(['no-such-command'])).code, 127);
  const running = await host.start(['/bin/cat']);
  const output: Buffer[] = [];
  running.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  running.stderr.resume();
  const bytes = Buffer.alloc(1_000_000, 'recheck-out:\n\0');
  running.stdin.end(bytes);
  assert.deepEqual(await running.exit, { code: 0 });
  assert.ok(Buffer.concat(output).equals(bytes));
  const script = await run(host, 'echo "$A"; echo err >&2; exit 5', { env: { A: "it's\n" } });
  assert.equal(script.output, "it's\n\nerr\n");
  assert.equal(script.code, 5);
}

const QUIET = 'Welcome\n';

for (const [what, account, noise] of [
  ['nothing unusual', {}, ''],
  ['a line on stdout', { files: { '.bashrc': 'echo Welcome' } }, 'Welcome'],
  ['a line without a newline', { files: { '.bashrc': 'printf Welcome' } }, 'Welcome'],
  ['lines on both streams', { files: { '.bashrc': 'echo Welcome; echo Beware >&2' } }, 'Welcome\nBeware'],
  ['a lot of binary output', { files: { '.bashrc': 'head -c 300000 /dev/zero | tr "\\0" "\\377"' } }, /^\ufffd+$/],
  ['tracing enabled', { files: { '.bashrc': 'set -x' } }, /^\+\+? exec \/bin\/sh -c/],
  ['echo of its input enabled', { files: { '.bashrc': 'set -v' } }, /exec \/bin\/sh/],
  ['an error from stty', { files: { '.bashrc': 'stty erase ^H' } }, /stty: .*ioctl/],
  ['an exit trap', { files: { '.bashrc': 'trap "echo bye" EXIT' } }, ''],
  ['a PATH to nowhere', { files: { '.bashrc': 'PATH=/opt/nothing' } }, ''],
  ['another folder, umask and language', { files: { '.bashrc': 'cd /proc; umask 077; export LANG=de_DE.UTF-8' } }, ''],
  [
    'functions and aliases of usual names',
    {
      files: {
        '.bashrc': 'shopt -s expand_aliases; alias cat=false printf=false; sh() { echo no; }; printf() { echo no; }',
      },
    },
    '',
  ],
  ['exported functions', { files: { '.bashrc': 'cat() { echo no; }; export -f cat' } }, ''],
  [
    'a forced command that says hello',
    { settings: ['ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"'] },
    'Welcome',
  ],
  [
    'a forced command that joins both streams, and says goodbye',
    { settings: ['ForceCommand echo Welcome 2>&1; eval "$SSH_ORIGINAL_COMMAND"; echo bye'] },
    'Welcome',
  ],
  [
    // csh does not allow a newline in quotes, and expands "!" in them.
    'csh',
    { shell: `case $2 in *'!'* | *'\n'*) echo "Unmatched '''." >&2; exit 1 ;; esac; echo Welcome; exec sh -c "$2"` },
    'Welcome',
  ],
  [
    // In quotes, fish unescapes a backslash before another backslash or a quote.
    'fish',
    { shell: `line=$(printf '%s\\n' "$2" | sed -e 's/\\\\\\([\\\\'"'"']\\)/\\1/g'); echo Welcome; exec sh -c "$line"` },
    'Welcome',
  ],
] as [string, Account, string | RegExp][]) {
  test(`a login shell with ${what} does not change the results of commands`, async (t) => {
    const host = await login(t, account);
    await assertWorks(host);
    if (typeof noise === 'string') assert.equal(host.noise, noise);
    else assert.match(host.noise!, noise);
  });
}

const unfit = (words: RegExp) => (error: CiError) => {
  assert.equal(error.code, 'ssh/not-begun', error.stack);
  assert.match(error.message, words);
  return true;
};

for (const [what, account, words] of [
  ['exit in .bashrc', { files: { '.bashrc': 'echo Closed today; exit 3' } }, /exit code 3 .*"Closed today".*\.bashrc/],
  [
    'nologin',
    { shell: 'echo "This account is currently not available."; exit 1' },
    /"This account is currently not available\.".*chsh/,
  ],
  [
    'a forced command',
    { settings: ['ForceCommand echo "Please login as the user debian"'] },
    /Please login as the user debian.*ForceCommand/,
  ],
  ['a shell that is killed', { shell: 'kill -9 $$' }, /signal KILL/],
] as [string, Account, RegExp][]) {
  test(`a login shell that runs no commands (${what}) is reported with its output`, async (t) => {
    const host = await login(t, account);
    await assert.rejects(host.run(['echo', 'x'], { timeout: 20_000 }), unfit(words));
    await assert
      .rejects(
        (await host.start(['cat'])).exit.finally(() => {}),
        unfit(words),
      )
      .catch(() => {});
    await assert.rejects(run(host, 'echo x'), unfit(words));
  });
}

test('a login shell that execs another program, which reads the command’s input, is reported', async (t) => {
  const host = await login(t, { files: { '.bashrc': 'exec cat' } });
  const input = "export TOKEN='very-secret'\n";
  await assert.rejects(host.run(['sha256sum'], { stdin: input }), (error: CiError) => {
    assert.doesNotMatch(error.message, /very-secret/);
    return unfit(/exit code 0 .*"exec"/)(error);
  });
});

test('a login shell that waits for something is reported with its output when the command times out', async (t) => {
  const host = await login(t, { files: { '.bashrc': 'echo Which terminal?; sleep 30' } });
  await assert.rejects(host.run(['echo', 'x'], { timeout: 3_000 }), {
    code: 'ssh/command-timeout',
    message: /did not finish within 3 s .*did not run it, and printed "Which terminal\?"/,
  });
});

test('a login shell that prints endlessly is cut off', async (t) => {
  const host = await login(t, { files: { '.bashrc': 'yes' } });
  await assert.rejects(host.run(['echo', 'x'], { timeout: 60_000 }), unfit(/4 MiB .*"y \/ y/));
});

test('with an external SFTP server, a noisy shell is reported and a quiet one works', async (t) => {
  const noisy = await login(t, { files: { '.bashrc': `echo ${QUIET}` } });
  await assert.rejects(noisy.sftp(), (error: CiError) => {
    assert.equal(error.code, 'ssh/sftp-noise', error.stack);
    assert.match(error.message, /"Welcome".*\.bashrc.*internal-sftp/);
    return true;
  });
  await assertWorks(noisy);
  const long = await login(t, { files: { '.bashrc': 'head -c 3000000 /dev/zero | tr "\\0" x' } });
  await assert.rejects(long.sftp(), { code: 'ssh/sftp-noise' });
  const ending = await login(t, { files: { '.bashrc': 'exit 4' } });
  await assert.rejects(ending.sftp(), unfit(/exit code 4/));
  const quiet = await login(t, {});
  const sftp = await quiet.sftp();
  const names = await promisify(sftp.readdir.bind(sftp))('/');
  assert.ok(names.some(({ filename }) => filename === 'etc'));
  sftp.end();
});

test("sshd's internal SFTP server runs no login shell", async (t) => {
  const host = await login(t, { files: { '.bashrc': 'echo Welcome' }, settings: ['Subsystem sftp internal-sftp'] });
  (await host.sftp()).end();
});
