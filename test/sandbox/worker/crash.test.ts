import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { guestProcesses } from '../../../lib/sandbox/guest-processes.ts';
import { sandboxWorker } from '../../../lib/sandbox/worker.ts';
import { end, endOf } from '../../support/child.ts';
import { waitFor, waitForEvent } from '../../support/wait.ts';
import { callOptions, owner } from './sandbox-world.ts';

const CONTROLLER = fileURLToPath(new URL('./controller.ts', import.meta.url));

/** Starts a controller with one guest that runs two `sleep` processes, one of them in its own session. */
async function startController(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'recheck-crash-'));
  const child = spawn(process.execPath, [CONTROLLER, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => {
    child.kill('SIGKILL');
    return rm(root, { recursive: true, force: true });
  });
  const [line] = await Promise.race([
    waitForEvent('the controller is ready', child.stdout, 'data', 30_000),
    endOf(child).then(() => Promise.reject(new Error('the controller ended before it was ready'))),
  ]);
  assert.equal(String(line), 'ready\n');
  const { mark } = JSON.parse(await readFile(join(root, 'guests', 'orphan.json'), 'utf8'));
  // Both run, and the shells that started them have ended.
  await waitFor('the guest and its two processes run', async () => {
    const commands = (await Promise.all(guestProcesses(mark).map(commandOf))).filter(Boolean);
    return commands.length === 3 && commands.filter((command) => command.startsWith('sleep\0')).length === 2;
  });
  return { root, child, mark: mark as string };
}

/** Returns a process's command line, or an empty text if the process has ended. */
const commandOf = (pid: number) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');

test('guests and all their processes end with a controller that was killed with -9', async (t) => {
  const { child, mark } = await startController(t);
  child.kill('SIGKILL');
  await waitFor('no process of the guest runs', () => guestProcesses(mark).length === 0);
});

test('the next controller lists, ends and removes what a crash left, and nothing else', async (t) => {
  const { root, child, mark } = await startController(t);
  // A process with the same command line that does not belong to the guest.
  const bystander = spawn('sleep', ['1000'], { stdio: 'ignore' });
  t.after(() => bystander.kill('SIGKILL'));
  for (const pid of guestProcesses(mark)) {
    if ((await commandOf(pid)).includes('main.ts')) process.kill(pid, 'SIGKILL');
  }
  await end(child);
  await waitFor('only the two processes in the guest still run', () => guestProcesses(mark).length === 2);

  const { hypervisor, storage } = sandboxWorker({ id: 'w1', label: 'worker w1', slots: 1, root });
  assert.deepEqual(await hypervisor.list(callOptions()), [{ domain: 'orphan', owner }]);
  assert.deepEqual(await storage.list(callOptions()), [{ name: 'orphan', owner }]);
  await hypervisor.stop('orphan', callOptions());
  await storage.remove('orphan', callOptions());
  assert.deepEqual(guestProcesses(mark), []);
  assert.equal(bystander.exitCode ?? bystander.signalCode, null);
  assert.deepEqual(await hypervisor.list(callOptions()), []);
  assert.deepEqual(await readdir(join(root, 'guests')), []);
  assert.deepEqual(await readdir(join(root, 'clones')), []);
});
