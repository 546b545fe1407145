import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { type OpenSsh, startOpenSsh } from '../../support/openssh.ts';
import { run } from '../../support/script.ts';
import { waitFor, waitForEvent } from '../../support/wait.ts';

/** Starts a server with these settings, and returns a function that opens a new connection to it. */
async function serverWith(t: TestContext, ...settings: string[]): Promise<{ sshd: OpenSsh; login(): Promise<Host> }> {
  const sshd = await startOpenSsh(settings);
  const hosts: Host[] = [];
  t.after(async () => {
    for (const host of hosts) host.close();
    await sshd.remove();
  });
  const knownHosts = new KnownHosts(join(sshd.dir, 'known.json'));
  return {
    sshd,
    async login() {
      const host = await connectHost(sshd.target, { knownHosts });
      hosts.push(host);
      return host;
    },
  };
}

/** Occupies the only unauthenticated connection that MaxStartups 1 allows. */
async function startLogin({ port }: OpenSsh): Promise<Socket> {
  return waitFor('another client is logging in', async () => {
    const socket = connect(port, '127.0.0.1');
    const greeting = await new Promise<string>((resolve) => {
      socket.once('data', (chunk) => resolve(String(chunk))).once('error', (error) => resolve(error.message));
      socket.once('close', () => resolve('closed'));
    });
    if (/^SSH-/.test(greeting)) return socket;
    socket.destroy();
    return undefined;
  });
}

/** Runs commands, scripts and file transfers, and returns their numbers in the order in which they end. */
async function runMixed(host: Host, folder: string, count: number): Promise<number[]> {
  const ended: number[] = [];
  const one = async (i: number): Promise<void> => {
    if (i % 10 === 3) {
      assert.equal((await run(host, `echo ${i}`)).output, `${i}\n`);
    } else if (i % 10 === 7) {
      const sftp = await host.sftp();
      const names = await promisify(sftp.readdir.bind(sftp))(folder);
      assert.ok(names.some(({ filename }) => filename === 'sshd_config'));
      sftp.end();
    } else {
      const { code, stdout, stderr } = await host.run(['sh', '-c', `echo ${i}; echo err >&2; exit ${i % 5}`]);
      assert.deepEqual({ code, stdout, stderr }, { code: i % 5, stdout: `${i}\n`, stderr: 'err\n' });
    }
    ended.push(i);
  };
  await Promise.all(Array.from({ length: count }, (_, i) => one(i)));
  return ended;
}

for (const [maxSessions, count] of [
  [10, 150],
  [2, 40],
  [1, 20],
] as const) {
  test(`${count} commands run at once on a new connection, and again on the same one: MaxSessions ${maxSessions}`, async (t) => {
    const { sshd, login } = await serverWith(t, `MaxSessions ${maxSessions}`);
    const host = await login();
    assert.equal((await runMixed(host, sshd.dir, count)).length, count);
    assert.equal((await runMixed(host, sshd.dir, Math.min(count, 40))).length, Math.min(count, 40));
    // 10 is the default. A server may still count a session that has just ended.
    const limit = host.sessionLimit ?? 10;
    assert.ok(limit <= maxSessions && limit >= Math.max(1, maxSessions - 2), `${limit}`);
  });
}

test('commands run in the order in which they were started', async (t) => {
  const { login } = await serverWith(t, 'MaxSessions 1');
  const host = await login();
  const ended: number[] = [];
  await Promise.all(Array.from({ length: 12 }, (_, i) => host.run(['true']).then(() => ended.push(i))));
  assert.deepEqual(
    ended,
    Array.from({ length: 12 }, (_, i) => i),
  );
});

test('a long-running program and a long script do not block other commands: MaxSessions 1', async (t) => {
  const { login } = await serverWith(t, 'MaxSessions 1');
  const host = await login();
  const stays = await host.start(['cat']);
  stays.stdout.resume();
  const script = run(host, 'sleep 200; echo end', { timeout: 300_000 });
  script.catch(() => {});
  const began = performance.now();
  assert.equal((await host.run(['echo', 'short'])).stdout, 'short\n');
  assert.ok(performance.now() - began < 150_000, 'further connections are opened immediately');
  const again = performance.now();
  for (let i = 0; i < 3; i++) await host.run(['true']);
  assert.ok(performance.now() - again < 60_000, 'and are reused');
  // Forwarded connections do not count as sessions (sshd_config(5), MaxSessions).
  const ports = await Promise.all(
    Array.from({ length: 5 }, () => host.forwardIn('127.0.0.1', 0, (one) => one.end('x'))),
  );
  const sockets = await Promise.all(ports.map(({ port }) => host.forwardOut('127.0.0.1', port)));
  for (const socket of sockets) assert.equal(String((await waitForEvent('socket: data', socket, 'data'))[0]), 'x');
  assert.equal(host.busy, true);
  host.close();
  await assert.rejects(stays.exit, { code: 'ssh/closed' });
  await assert.rejects(script, (error: CiError) => /^ssh\/(closed|command-closed)$/.test(error.code));
});

test('aborted commands do not delay or break others', async (t) => {
  const { login } = await serverWith(t, 'MaxSessions 2');
  const host = await login();
  const reason = new Error('enough');
  const works = Array.from({ length: 40 }, async (_, i) => {
    const abort = new AbortController();
    // Some are aborted before their session is opened, some while it is opened, some while they run.
    if (i % 4 === 1) setTimeout(() => abort.abort(reason), i * 5);
    const work =
      i % 8 === 5
        ? host.sftp(abort.signal).then((sftp) => sftp.end())
        : host.run(['echo', `${i}`], { signal: abort.signal });
    try {
      await work;
      return 'done';
    } catch (error) {
      assert.equal(error, reason);
      return 'aborted';
    }
  });
  const ends = await Promise.all(works);
  assert.ok(ends.every((end, i) => end === 'done' || i % 4 === 1));
  assert.equal((await host.run(['echo', 'still'])).stdout, 'still\n');
});

test('abandoned commands that keep running on the server do not block others', async (t) => {
  const { login } = await serverWith(t, 'MaxSessions 2');
  const host = await login();
  for (const left of await Promise.all([0, 1].map(() => host.start(['sh', '-c', 'echo up; exec sleep 60'])))) {
    await waitForEvent('left.stdout: data', left.stdout, 'data');
    left.close();
  }
  const began = performance.now();
  assert.deepEqual(
    (await Promise.all([0, 1, 2, 3].map((i) => host.run(['echo', `${i}`])))).map(({ stdout }) => stdout),
    ['0\n', '1\n', '2\n', '3\n'],
  );
  assert.ok(performance.now() - began < 50_000);
});

test('if a server allows no sessions, all commands fail immediately with the reason', async (t) => {
  const { login } = await serverWith(t, 'MaxSessions 0');
  const host = await login();
  const began = performance.now();
  const ends = await Promise.allSettled(Array.from({ length: 50 }, () => host.run(['true'])));
  await assert.rejects(host.sftp(), /MaxSessions/);
  assert.ok(performance.now() - began < 60_000);
  for (const end of ends) {
    assert.equal(end.status, 'rejected');
    assert.match(String(end.reason), /MaxSessions/);
  }
});

test('a login that MaxStartups drops is retried, and the final error gives the reason', async (t) => {
  const { sshd, login } = await serverWith(t, 'MaxStartups 1:100:1');
  const other = await startLogin(sshd);
  await assert.rejects(login(), (error: CiError) => {
    assert.match(error.message, /MaxStartups/);
    return error.code === 'ssh/handshake' && error.retryable;
  });
  setTimeout(() => other.destroy(), 100);
  const host = await login();
  assert.equal((await host.run(['echo', 'in'])).stdout, 'in\n');
});

test('further connections that MaxStartups drops are opened later', async (t) => {
  const { sshd, login } = await serverWith(t, 'MaxSessions 1', 'MaxStartups 1:100:1');
  const host = await login();
  const stays = await host.start(['cat']);
  stays.stdout.resume();
  const other = await startLogin(sshd);
  const waits = host.run(['echo', 'late']);
  assert.equal(await Promise.race([waits, sleep(2_500, 'it waits')]), 'it waits');
  other.destroy();
  assert.equal((await waits).stdout, 'late\n');
});
