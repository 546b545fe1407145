/** The product as `npm start` runs it, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { waitFor } from '../support/wait.ts';

export const root = join(import.meta.dirname, '..', '..');

export interface Product {
  url: string;
  /** Folder of its state. */
  dir: string;
  /** What the terminal shows. */
  said(): string;
  /** Waits for a line; throws where the process ends first. */
  says(pattern: RegExp, limit?: number): Promise<unknown>;
  /** Ends it as Ctrl-C does; gives its exit code. */
  stop(): Promise<number | null>;
  /** Its exit code, if it has exited. */
  ended: Promise<number | null>;
}

/** An empty folder for the product's state, removed after the test. */
export function stateDir(t: Pick<TestContext, 'after'>): string {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-sandbox-'));
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return dir;
}

export async function startProduct(
  t: Pick<TestContext, 'after'>,
  dir: string,
  port: number | undefined = undefined,
): Promise<Product> {
  const at = port ?? (await freePort());
  const child = spawn(process.execPath, [join(root, 'scripts', 'start.ts')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RECHECK_SANDBOX: dir, PORT: String(at) },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const stop = () => {
    if (child.exitCode === null) child.kill('SIGINT');
    return ended;
  };
  t.after(stop);
  return {
    url: `http://127.0.0.1:${at}`,
    dir,
    said: () => said,
    async says(pattern, limit = 60_000) {
      try {
        return await waitFor(
          String(pattern),
          () => {
            if (pattern.test(said)) return true;
            if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`);
            return false;
          },
          limit,
        );
      } catch (error) {
        throw new Error(`${(error as Error).message}; the terminal shows:\n${said}`);
      }
    },
    stop,
    ended,
  };
}
