import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { localHost } from '../../lib/ssh/local.ts';
import { runs, waitFor, waitForEvent } from '../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'local-host-'));
const host = localHost();
after(() => {
  host.close();
  rmSync(dir, { recursive: true });
});

test('run returns output, exit code and signal, and writes stdin', async () => {
  assert.deepEqual(await host.run(['sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: "it's $HOME\n" }), {
    code: 3,
    stdout: "it's $HOME\n",
    stderr: 'err\n',
  });
  assert.equal((await host.run(['sh', '-c', 'kill -9 $$'])).signal, 'KILL');
  assert.equal((await host.run(['head', '-c', '3000000', '/dev/zero'], { limit: 10 })).stdout.length, 10);
});

test('a missing program is exit code 127 in run, as over SSH, and a clear error in start', async () => {
  assert.deepEqual(await host.run(['no-such-program']), {
    code: 127,
    stdout: '',
    stderr: 'no-such-program: not found\n',
  });
  writeFileSync(join(dir, 'plain'), 'text', { mode: 0o600 });
  assert.equal((await host.run([join(dir, 'plain')])).code, 126);
  await assert.rejects(host.start(['no-such-program']), (error: CiError) => error.code === 'ssh/command-not-run');
});

test('a timeout ends the whole process tree', async () => {
  const file = join(dir, 'pids');
  await assert.rejects(
    host.run(['sh', '-c', `sleep 60 & echo $! $$ > ${file}; wait`], { timeout: 300 }),
    (error: CiError) => error.code === 'ssh/command-timeout',
  );
  for (const pid of readFileSync(file, 'utf8').trim().split(' ').map(Number)) {
    await waitFor('the process is gone', async () => !(await runs(pid)));
  }
});

test('closing a started command settles its exit', async () => {
  const running = await host.start(['cat']);
  running.close();
  await assert.rejects(running.exit, (error: CiError) => error.code === 'ssh/command-closed');
});

test('forwardOut and forwardIn use this machine itself', async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const socket = await host.forwardOut('127.0.0.1', port);
  socket.end('ping');
  assert.equal(String((await waitForEvent('socket: data', socket, 'data'))[0]), 'ping');
  await new Promise((resolve) => echo.close(resolve));
  await assert.rejects(host.forwardOut('127.0.0.1', port), (error: CiError) => error.code === 'ssh/forward');

  const forward = await host.forwardIn('127.0.0.1', 0, (guest, source) => guest.end(source.address));
  const guest = connect({ port: forward.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  assert.equal(String((await waitForEvent('guest: data', guest, 'data'))[0]), '127.0.0.2');
  await assert.rejects(
    host.forwardIn('127.0.0.1', forward.port, () => {}),
    (error: CiError) => error.code === 'ssh/listen',
  );
  await forward.close();
  await forward.close();
});

test('files are read as over SFTP', async () => {
  writeFileSync(join(dir, 'a'), 'hello');
  const sftp = await host.sftp();
  const entries = await promisify(sftp.readdir.bind(sftp))(dir);
  const found = entries.find((entry) => entry.filename === 'a');
  assert.equal(found?.attrs.size, 5);
  assert.ok(found?.attrs.isFile());
  const { mtime } = await promisify(sftp.stat.bind(sftp))(join(dir, 'a'));
  assert.ok(Math.abs(mtime - Date.now() / 1000) < 60);
  const stream = sftp.createReadStream(join(dir, 'a'));
  assert.equal(String((await waitForEvent('stream: data', stream, 'data'))[0]), 'hello');
  await assert.rejects(promisify(sftp.readdir.bind(sftp))(join(dir, 'none')));
  sftp.end();
});

test('a closed host starts nothing and closes what runs', async () => {
  const other = localHost('this machine');
  const running = await other.start(['cat']);
  other.close();
  assert.ok(other.gone.aborted);
  await assert.rejects(running.exit, (error: CiError) => error.code === 'ssh/closed');
  await assert.rejects(other.run(['true']), (error: CiError) => error.code === 'ssh/closed');
});
