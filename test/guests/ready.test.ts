import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { connectionLost } from '../../lib/errors/ssh.ts';
import { AWAIT_CLOUD_INIT, NO_CLOUD_INIT_EXIT_CODE } from '../../lib/guests/programs.ts';
import { whenReady } from '../../lib/guests/ready.ts';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host, RunResult } from '../../lib/ssh/types.ts';
import { abortable } from '../../lib/util/abort.ts';

const signal = AbortSignal.timeout(30_000);
const lost = connectionLost({ label: 'guest', user: 'debian', host: '192.168.122.98', port: 22 });

/** A guest with scripted commands; one that is `lost` takes the connection with it. */
function guest(end: () => Partial<RunResult> | Promise<Partial<RunResult>>): Host & { cut(): void } {
  const gone = new AbortController();
  const host = {
    gone: gone.signal,
    cut: () => gone.abort(lost),
    async run(_argv: unknown, options: { signal: AbortSignal }) {
      const result = await abortable(Promise.resolve(end()), options.signal);
      if (gone.signal.aborted) throw lost;
      return { code: 0, stdout: '', stderr: '', ...result };
    },
    close() {},
  };
  return host as unknown as Host & { cut(): void };
}

const never = async (): Promise<Host> => assert.fail('it is not logged in to again');
const ready = (host: Host, options: { limit?: number; say?(line: string): void; logIn?: () => Promise<Host> } = {}) =>
  whenReady('vm', host, { signal, limit: 20_000, say() {}, logIn: never, ...options });

test('scripts start once cloud-init is done or if it is not installed; its recoverable errors are logged', async () => {
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  assert.equal(
    (
      await ready(
        guest(() => ({ code: 0 })),
        { say },
      )
    ).ran,
    true,
  );
  assert.equal(
    (
      await ready(
        guest(() => ({ code: NO_CLOUD_INIT_EXIT_CODE })),
        { say },
      )
    ).ran,
    false,
  );
  assert.equal(said.length, 0);
  const degraded = guest(() => ({
    code: 2,
    stdout: 'status: done\n\nrecoverable_errors:\n\tWARNING: a module is old\n',
  }));
  const { hasWarnings } = await ready(degraded, { say });
  assert.equal(hasWarnings, true);
  assert.ok(said.includes('cloud-init: \tWARNING: a module is old'), said.join('\n'));
});

test('a cloud-init that fails or exceeds its limit is not blamed on the patch', async () => {
  const said: string[] = [];
  const stdout = `status: error
errors:
\t- ('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))
`;
  const failed = {
    code: 'build/cloud-init-failed',
    result: 'NODE_FAILURE',
    message: /exit 1\): .*Runparts: 1 failures/,
  };
  await assert.rejects(
    ready(
      guest(() => ({ code: 1, stdout })),
      { say: (line) => said.push(line) },
    ),
    failed,
  );
  assert.equal(said.length, 3, 'all of it is in the console');
  const slow = guest(() => new Promise(() => {}));
  const late = { code: 'build/cloud-init-late', result: 'NODE_FAILURE', message: /did not finish within 0\.01 min/ };
  await assert.rejects(ready(slow, { limit: 300 }), late);
});

test('a connection lost meanwhile is replaced: the guest has another address, or cloud-init rebooted it', async () => {
  const second = guest(() => ({ code: 0 }));
  for (const end of [{}, { code: 143 }, { code: undefined, signal: 'TERM' }]) {
    const first = guest(() => {
      // The command ends first, then the connection.
      if ('code' in end) setImmediate(first.cut);
      else first.cut();
      return end;
    });
    assert.equal((await ready(first, { logIn: async () => second })).ran, true);
  }
  const gone = guest(() => {
    gone.cut();
    return {};
  });
  const nobody = new CiError({
    code: 'worker/guest-died',
    blame: 'guest',
    guestEnd: 'gone',
    isLoginFutile: true,
    message: 'gone',
  });
  await assert.rejects(ready(gone, { logIn: () => Promise.reject(nobody) }), { code: 'worker/guest-died' });
});

/** Runs the program on this machine with a root, a cloud-init and a systemctl of the test's own. */
async function program(t: TestContext, files: Record<string, string>): Promise<RunResult> {
  const root = mkdtempSync(join(tmpdir(), 'cloud-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries({ 'bin/.keep': '', ...files })) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
    chmodSync(join(root, name), 0o755);
  }
  const text = AWAIT_CLOUD_INIT.replaceAll('/run/', `${root}/run/`)
    .replaceAll('/etc/', `${root}/etc/`)
    .replaceAll('/var/', `${root}/var/`)
    .replace('PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', `PATH=${root}/bin:/usr/bin:/bin`);
  const host = localHost();
  t.after(() => host.close());
  return host.run(['/bin/sh', '-c', text], { timeout: 10_000 });
}

const STATUS = (code: number) =>
  `#!/bin/sh\ncase "$*" in *--help) exit 0 ;; *--wait) echo ......; exit ${code} ;; *--long) echo "status: of $#" ;; esac\n`;

test('cloud-init of any version is waited for unless its generator, a file or its last stage disables it', async (t) => {
  const enabled = { 'run/cloud-init/enabled': '' };
  const systemctl = (said: string) => ({
    'run/systemd/system/.keep': '',
    'bin/systemctl': `#!/bin/sh\necho ${said}\n`,
  });
  const cloudInit = { 'bin/cloud-init': STATUS(0) };
  const cases: [string, Record<string, string>, number, RegExp?][] = [
    ['not installed', { ...enabled, ...systemctl('enabled') }, NO_CLOUD_INIT_EXIT_CODE],
    ['installed after the boot', { ...cloudInit, ...systemctl('enabled') }, NO_CLOUD_INIT_EXIT_CODE],
    [
      'disabled at this boot',
      { ...cloudInit, 'run/cloud-init/disabled': '', ...systemctl('enabled') },
      NO_CLOUD_INIT_EXIT_CODE,
    ],
    ['its last stage disabled', { ...cloudInit, ...enabled, ...systemctl('disabled') }, NO_CLOUD_INIT_EXIT_CODE],
    ['its last stage masked', { ...cloudInit, ...enabled, ...systemctl('masked-runtime') }, NO_CLOUD_INIT_EXIT_CODE],
    ['another init system', { ...cloudInit, ...enabled }, 0],
    ['the same, disabled', { ...cloudInit, ...enabled, 'etc/cloud/cloud-init.disabled': '' }, NO_CLOUD_INIT_EXIT_CODE],
    ['done', { ...cloudInit, ...enabled, ...systemctl('enabled') }, 0, /^$/],
    ['degraded', { 'bin/cloud-init': STATUS(2), ...enabled, ...systemctl('enabled') }, 2, /^status: of 2\n$/],
    [
      'failed',
      { 'bin/cloud-init': STATUS(1), ...enabled, 'var/log/cloud-init-output.log': 'its last words\n' },
      1,
      /^status: of 2\nits last words\n$/,
    ],
    [
      'from before 17.2: without a status',
      {
        'bin/cloud-init': '#!/bin/sh\necho "invalid choice: status" >&2; exit 2\n',
        ...enabled,
        'var/lib/cloud/instance/boot-finished': '',
      },
      0,
    ],
  ];
  for (const [title, files, code, says] of cases) {
    const result = await program(t, files);
    assert.equal(result.code, code, `${title}: ${result.stderr}`);
    if (says) assert.match(result.stdout, says, title);
  }
});
