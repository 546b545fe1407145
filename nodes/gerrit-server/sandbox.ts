import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { type SandboxGerrit, startSandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { sandboxPage } from '../../lib/sandbox/gerrit-page.ts';
import { type Runtime, runtimeOf } from '../shared/runtime.ts';

/** How long the sandbox keeps running without users, so that a redeploy does not restart it. */
const GRACE_MS = 10_000;

/** The sandbox Gerrit of this process. It runs while it has users. */
class Sandbox {
  running: Promise<SandboxGerrit> | undefined;
  #users = 0;
  #grace: NodeJS.Timeout | undefined;

  /** Adds a user. `start` is called if the sandbox is not running. */
  acquire(start: () => Promise<SandboxGerrit>): { gerrit: Promise<SandboxGerrit>; release(): void } {
    clearTimeout(this.#grace);
    this.#users += 1;
    if (!this.running) {
      const starting = start();
      this.running = starting;
      // If the start fails, the next user tries again.
      starting.catch(() => {
        if (this.running === starting) this.running = undefined;
      });
    }
    let isReleased = false;
    return {
      gerrit: this.running,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#users -= 1;
        if (this.#users > 0) return;
        this.#grace = setTimeout(() => void this.close(), GRACE_MS).unref();
      },
    };
  }

  /** Stops the sandbox, if it is running. */
  async close(): Promise<void> {
    clearTimeout(this.#grace);
    const ended = this.running;
    this.running = undefined;
    // If the start failed, there is nothing to close.
    await ended?.then((gerrit) => gerrit.close()).catch(() => undefined);
  }
}

const SANDBOX = {
  make(runtime: Runtime): Sandbox {
    const sandbox = new Sandbox();
    runtime.onClose(() => sandbox.close());
    return sandbox;
  },
};

/**
 * Returns the sandbox Gerrit of this process, and starts it for its first user. The caller must call `release`; shortly
 * after the last one did, the sandbox stops.
 */
export function acquireSandbox(RED: NodeAPI): { gerrit: Promise<SandboxGerrit>; release(): void } {
  const runtime = runtimeOf(RED);
  const { stateDir, baseUrl } = runtime;
  const sandbox = runtime.of(SANDBOX);
  return sandbox.acquire(() => {
    const starting = startSandboxGerrit({
      dir: join(stateDir, 'sandbox-gerrit'),
      ...(baseUrl ? { httpUrl: `${baseUrl}/sandbox` } : {}),
    });
    starting.then((gerrit) => RED.events.emit('recheck:sandbox', gerrit)).catch(() => undefined);
    return starting;
  });
}

/** Serves the page of the sandbox at /sandbox, or a 404 response while it is not running. */
export function serveSandbox(RED: NodeAPI): void {
  RED.httpNode?.use('/sandbox', (req, res) => {
    const { running } = runtimeOf(RED).of(SANDBOX);
    if (!running) {
      res.status(404).type('text').send('The sandbox Gerrit is not running: no gerrit-server of the flow uses it.');
      return;
    }
    running
      .then((gerrit) => sandboxPage(gerrit)(req, res))
      .catch((error: Error) => res.status(503).type('text').send(error.message));
  });
}
