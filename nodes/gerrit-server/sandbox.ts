import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { sandboxPage } from '../../lib/sandbox/gerrit/page/page.ts';
import { type SandboxGerrit, startSandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { runtimeOf } from '../shared/runtime.ts';

/** How long the sandbox outlives its last user: a redeploy must not restart it. */
const GRACE_PERIOD_MS = 10_000;

let running: Promise<SandboxGerrit> | undefined;
let users = 0;
let grace: NodeJS.Timeout | undefined;
let mounted = false;

/** Returns the sandbox Gerrit of this process, started for its first user; `release` ends its use. */
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
    // A failed start is retried for the next user.
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
      grace = setTimeout(() => void close(), GRACE_PERIOD_MS).unref();
    },
  };
}

async function close(): Promise<void> {
  const ended = running;
  running = undefined;
  // If it never started, there is nothing to close.
  await ended?.then((gerrit) => gerrit.close()).catch(() => undefined);
}

/** Serves the sandbox's page at /sandbox; if no sandbox is running, the page says so. */
function mount(RED: NodeAPI): void {
  if (mounted) return;
  mounted = true;
  runtimeOf(RED).onClose(close);
  RED.httpNode.use('/sandbox', (req, res) => {
    if (!running) {
      res.status(404).type('text').send('The sandbox Gerrit is not running: no gerrit-server of the flow uses it.');
      return;
    }
    running
      .then((gerrit) => sandboxPage(gerrit)(req, res))
      .catch((error: Error) => res.status(503).type('text').send(error.message));
  });
}
