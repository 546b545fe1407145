/** Runs the product as `npm start` does, in a separate process. */
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
  /** The folder that holds its state. */
  dir: string;
  /** Returns what the terminal shows. */
  output(): string;
  /** Waits until the output matches; throws if the process exits first, or after the limit (milliseconds). */
  waitForLine(pattern: RegExp, limit?: number): Promise<unknown>;
  /** Stops it as Ctrl-C does, and returns its exit code. */
  stop(): Promise<number | null>;
  /** Resolves to its exit code when it exits. */
  ended: Promise<number | null>;
}

/** Creates an empty folder for the product's state, which is removed after the test. */
export function stateDir(t: Pick<TestContext, 'after'>): string {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-sandbox-'));
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return dir;
}

/** Starts the product with its state in `dir`, on `port` or any free port; it is stopped after the test. */
export async function startProduct(
  t: Pick<TestContext, 'after'>,
  dir: string,
  port: number | undefined = undefined,
): Promise<Product> {
  const listenPort = port ?? (await freePort());
  const child = spawn(process.execPath, [join(root, 'scripts', 'start.ts')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RECHECK_SANDBOX: dir, PORT: String(listenPort) },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const stop = () => {
    if (child.exitCode === null) child.kill('SIGINT');
    return ended;
  };
  t.after(stop);
  return {
    url: `http://127.0.0.1:${listenPort}`,
    dir,
    output: () => output,
    async waitForLine(pattern, limit = 60_000) {
      try {
        return await waitFor(
          String(pattern),
          () => {
            if (pattern.test(output)) return true;
            if (child.exitCode !== null) throw new Error(`exited with ${child.exitCode}`);
            return false;
          },
          limit,
        );
      } catch (error) {
        throw new Error(`${(error as Error).message}; the terminal shows:\n${output}`);
      }
    },
    stop,
    ended,
  };
}
