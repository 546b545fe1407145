import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { waitFor, waitForEvent } from '../../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'ssh-host-'));
const own = generateKeyPair('ci');
let server: TestSshServer;
let host: Host;

before(async () => {
  server = await startSshServer({ authorized: [own.publicKey] });
});
after(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});
beforeEach(async () => {
  server.maxSessions = 100;
  host = await connectHost(
    { label: 'worker a', host: '127.0.0.1', port: server.port, user: 'me', privateKey: own.privateKey },
    { knownHosts: new KnownHosts(join(dir, 'hosts.json')) },
  );
});
afterEach(() => host.close());

const code = (wanted: string) => (error: CiError) => {
  assert.equal(error.code, wanted, error.stack);
  return true;
};

test('run returns output, exit code and signal, and writes stdin', async () => {
  assert.deepEqual(await host.run(['sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: "it's $HOME\n" }), {
    code: 3,
    stdout: "it's $HOME\n",
    stderr: 'err\n',
  });
  assert.equal((await host.run(['sh', '-c', 'kill -9 $$'])).signal, 'KILL');
  assert.equal((await host.run(['cat'])).stdout, '');
});

test('run keeps no more output than its limit', async () => {
  const { stdout, code: exit } = await host.run(['head', '-c', '3000000', '/dev/zero'], { limit: 1000 });
  assert.equal(stdout.length, 1000);
  assert.equal(exit, 0);
});

test('run is given up at its time limit and at an abort', async () => {
  await assert.rejects(host.run(['sleep', '5'], { timeout: 100 }), code('ssh/command-timeout'));
  const reason = new Error('enough');
  const abort = new AbortController();
  const running = host.run(['sleep', '5'], { signal: abort.signal });
  setTimeout(() => abort.abort(reason), 50);
  await assert.rejects(running, (error) => error === reason);
  await assert.rejects(host.run(['true'], { signal: abort.signal }), (error) => error === reason);
  assert.equal((await host.run(['echo', 'still'])).stdout, 'still\n');
});

test('thirty commands share the connection at once', async () => {
  const before = server.logins;
  const results = await Promise.all(Array.from({ length: 30 }, (_, i) => host.run(['echo', String(i)])));
  assert.deepEqual(
    results.map((result) => result.stdout),
    Array.from({ length: 30 }, (_, i) => `${i}\n`),
  );
  assert.equal(server.logins, before);
});

test('a started command waits while its output is not read', async () => {
  const running = await host.start(['sh', '-c', 'head -c 20000000 /dev/zero; echo done >&2']);
  let said = '';
  running.stderr.on('data', (chunk) => {
    said += chunk;
  });
  await sleep(500);
  assert.equal(said, '');
  assert.ok(running.stdout.readableLength < 5_000_000);
  let bytes = 0;
  running.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  assert.deepEqual(await running.exit, { code: 0 });
  assert.equal(bytes, 20_000_000);
});

test('closing or aborting a started command settles its exit', async () => {
  const running = await host.start(['sh', '-c', 'yes']);
  running.close();
  await assert.rejects(running.exit, code('ssh/command-closed'));
  const abort = new AbortController();
  const other = await host.start(['cat'], { signal: abort.signal });
  abort.abort();
  await assert.rejects(other.exit, code('ssh/command-closed'));
});

test('a command without a free session waits for another to end; its signal ends the wait', async () => {
  server.maxSessions = 1;
  const first = await host.start(['cat']);
  await assert.rejects(host.run(['true'], { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' });
  const second = host.run(['echo', 'two']);
  first.stdin.end();
  first.stdout.resume();
  assert.deepEqual(await first.exit, { code: 0 });
  assert.equal((await second).stdout, 'two\n');
});

for (const maxSessions of [1, 2, 7]) {
  test(`more commands at once than ${maxSessions} sessions, on a new connection: all run, and none is overtaken by many`, async () => {
    server.maxSessions = maxSessions;
    const begun: number[] = [];
    const each = Array.from({ length: 60 }, async (_, i) => {
      const running = await host.start(['echo', String(i)]);
      begun.push(i);
      const [chunk] = await waitForEvent('running.stdout: data', running.stdout, 'data');
      assert.equal(String(chunk), `${i}\n`);
      await running.exit;
    });
    await Promise.all(each);
    assert.equal(new Set(begun).size, 60);
    // Those that have a session at the same time start in any order, and so do those that the server had refused.
    const overtaken = begun.map((command, place) => command - place);
    assert.ok(Math.max(...overtaken) <= 2 * maxSessions, `the order was ${begun.join(' ')}`);
    assert.equal(host.sessionLimit, maxSessions);
    assert.equal(server.connections.size, 1, 'short commands are worth no further connection');
  });
}

test('long sessions do not block others: a further connection is made, reused, and closed with the host', async () => {
  server.maxSessions = 1;
  const logins = server.logins;
  const long = await host.start(['cat']);
  long.stdout.resume();
  assert.equal((await host.run(['echo', 'one'])).stdout, 'one\n');
  assert.equal(server.logins, logins + 1);
  assert.equal((await host.run(['echo', 'two'])).stdout, 'two\n');
  assert.equal(server.logins, logins + 1);
  host.close();
  await waitFor('both connections are closed', () => server.connections.size === 0);
});

test('if a further connection is lost, only what runs on it fails', async () => {
  server.maxSessions = 1;
  const long = await host.start(['cat']);
  long.stdout.resume();
  const other = await host.start(['cat']);
  other.stdout.resume();
  [...server.connections][1]!.end();
  await assert.rejects(other.exit, code('ssh/connection-lost'));
  assert.equal(host.gone.aborted, false);
  assert.equal((await host.run(['echo', 'still'])).stdout, 'still\n');
  long.stdin.end();
  assert.deepEqual(await long.exit, { code: 0 });
});

test('a server that opens no session at all is a clear error', async () => {
  server.maxSessions = 0;
  await assert.rejects(host.run(['true']), (error: CiError) => {
    assert.equal(error.code, 'ssh/channel-refused');
    assert.match(error.message, /MaxSessions/);
    return true;
  });
  const all = await Promise.allSettled(Array.from({ length: 50 }, () => host.run(['true'])));
  assert.ok(all.every(({ status }) => status === 'rejected'));
  assert.equal(server.connections.size, 1);
});

test('the number of waiting commands is limited', async () => {
  server.maxSessions = 1;
  const long = await host.start(['cat']);
  const abort = new AbortController();
  const waiting = Array.from({ length: 3_000 }, () => host.run(['true'], { signal: abort.signal }));
  const all = Promise.allSettled(waiting);
  await assert.rejects(waiting.at(-1)!, /2000 commands are already waiting/);
  abort.abort(new Error('enough'));
  const ends = await all;
  assert.ok(ends.every(({ status }) => status === 'rejected'));
  long.close();
});

test('a command that the server refuses once, as if it cannot fork, is retried; one that it keeps refusing is an error', async () => {
  server.refusals = 1;
  assert.equal((await host.run(['echo', 'again'])).stdout, 'again\n');
  server.refusals = 100;
  await assert.rejects(host.run(['echo']), code('ssh/request-refused'));
  assert.equal(server.refusals, 97);
  await assert.rejects(host.run(['echo'], { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  server.refusals = 0;
});

test('a server without SFTP says so', async () => {
  await assert.rejects(host.sftp(), code('ssh/request-refused'));
});

test('a lost connection rejects everything that runs on it', async () => {
  const running = await host.start(['cat']);
  const run = host.run(['cat'], { timeout: 60_000, stdin: undefined });
  const slow = host.run(['sleep', '5']);
  await run;
  server.cut();
  await assert.rejects(slow, code('ssh/connection-lost'));
  await assert.rejects(running.exit, code('ssh/connection-lost'));
  assert.ok(host.gone.aborted);
  assert.equal((host.gone.reason as CiError).code, 'ssh/connection-lost');
  await assert.rejects(host.run(['true']), code('ssh/connection-lost'));
  await assert.rejects(host.start(['true']), code('ssh/connection-lost'));
  await assert.rejects(host.sftp(), code('ssh/connection-lost'));
  await assert.rejects(host.forwardOut('127.0.0.1', 1), code('ssh/connection-lost'));
  await assert.rejects(
    host.forwardIn('127.0.0.1', 0, () => {}),
    code('ssh/connection-lost'),
  );
});

test('closing the host rejects what runs, with another message', async () => {
  const running = await host.start(['cat']);
  host.close();
  await assert.rejects(running.exit, code('ssh/closed'));
  await assert.rejects(host.run(['true']), code('ssh/closed'));
});

test('forwardOut reaches a port there, and names one that it cannot reach', async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const socket = await host.forwardOut('127.0.0.1', port);
  socket.write('ping');
  assert.equal(String((await waitForEvent('socket: data', socket, 'data'))[0]), 'ping');
  socket.end();
  await waitForEvent('socket: close', socket, 'close');
  await new Promise((resolve) => echo.close(resolve));
  await assert.rejects(host.forwardOut('127.0.0.1', port), (error: CiError) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
    return error.code === 'ssh/forward';
  });
});

test('forwardIn passes on connections with their source, until it is closed', async () => {
  const sources: { address: string; port: number }[] = [];
  const forward = await host.forwardIn('127.0.0.1', 0, (socket, source) => {
    sources.push(source);
    socket.end('welcome');
  });
  const socket = connect({ port: forward.port, host: '127.0.0.1', localAddress: '127.0.0.3' });
  assert.equal(String((await waitForEvent('socket: data', socket, 'data'))[0]), 'welcome');
  assert.deepEqual(sources, [{ address: '127.0.0.3', port: socket.localPort }]);
  socket.destroy();
  await assert.rejects(
    host.forwardIn('127.0.0.1', forward.port, () => {}),
    code('ssh/listen'),
  );
  await forward.close();
  await forward.close();
  await waitFor('the port is free', async () => {
    const again = connect(forward.port, '127.0.0.1');
    const refused = await Promise.race([
      waitForEvent('again: connect', again, 'connect').then(() => false),
      waitForEvent('again: error', again, 'error').then(() => true),
    ]).catch(() => true);
    again.destroy();
    return refused;
  });
});
