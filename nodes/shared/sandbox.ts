import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { type SandboxGerrit, startSandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { sandboxPage } from '../../lib/sandbox/gerrit-page.ts';
import { runtimeOf } from './runtime.ts';

/** Milliseconds that the sandbox outlives its last user: a redeploy must not restart it. */
const GRACE = 10_000;

let running: Promise<SandboxGerrit> | undefined;
let users = 0;
let grace: NodeJS.Timeout | undefined;
let mounted = false;

/** The sandbox Gerrit of this process, started with its first user; `release` lets go of it. */
export function acquireSandbox(RED: NodeAPI): { gerrit: Promise<SandboxGerrit>; release(): void } {
  const { stateDir, baseUrl } = runtimeOf(RED);
  clearTimeout(grace);
  users += 1;
  if (!running) {
    const starting = startSandboxGerrit({
      dir: join(stateDir, 'sandbox-gerrit'),
      ...(baseUrl ? { httpUrl: `${baseUrl}/sandbox` } : {}),
    });
    running = starting;
    // A start that failed is tried again by the next user.
    starting.catch(() => {
      if (running === starting) running = undefined;
    });
    starting.then((gerrit) => RED.events.emit('recheck:sandbox', gerrit)).catch(() => undefined);
  }
  mount(RED);
  let released = false;
  return {
    gerrit: running,
    release() {
      if (released) return;
      released = true;
      users -= 1;
      if (users > 0) return;
      grace = setTimeout(() => void close(), GRACE).unref();
    },
  };
}

async function close(): Promise<void> {
  const ended = running;
  running = undefined;
  // One that never started has nothing to close.
  await ended?.then((gerrit) => gerrit.close()).catch(() => undefined);
}

/** Puts the sandbox's page at /sandbox; while no sandbox runs it says so. */
function mount(RED: NodeAPI): void {
  if (mounted) return;
  mounted = true;
  runtimeOf(RED).onClose(close);
  RED.httpNode.use('/sandbox', (req, res) => {
    if (!running) {
      res.status(404).type('text').send('No sandbox Gerrit runs: no gerrit-server of the flow is set to it.');
      return;
    }
    running
      .then((gerrit) => sandboxPage(gerrit)(req, res))
      .catch((error: Error) => res.status(503).type('text').send(error.message));
  });
}
