import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { formatSeconds } from '../../util/format.ts';

/** Bytes of a script's output that the console keeps. */
const OUTPUT_LIMIT = 1024 * 1024;

/**
 * Runs a user-data script (`#!…`) in the guest's home, its output on the console, and waits for its end or for
 * `timeout` milliseconds; then it runs on.
 *
 * @returns how it went, in words
 */
export async function runUserScript(
  text: string,
  options: { home: string; tmp: string; env: Record<string, string>; timeout: number; write: (chunk: Buffer) => void },
): Promise<string> {
  const file = join(options.tmp, 'user-data-script');
  await writeFile(file, text, { mode: 0o700 });
  const child = spawn(file, [], {
    cwd: options.home,
    env: options.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let left = OUTPUT_LIMIT;
  const copy = (output: Readable) =>
    output.on('data', (chunk: Buffer) => {
      // Read to the end in any case: a full pipe would hold the script up.
      if (left > 0) options.write(chunk.subarray(0, left));
      left -= chunk.length;
    });
  copy(child.stdout);
  copy(child.stderr);
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => resolve(`still runs after ${formatSeconds(options.timeout)} and is left to itself`),
      options.timeout,
    );
    const done = (words: string) => {
      clearTimeout(timer);
      resolve(words);
    };
    child.once('error', (error) => done(`could not be started: ${error.message}`));
    // What it wrote last is still in the pipe when it exits; a background process of it may hold that open for ever.
    child.once('exit', (code, signal) => {
      const words = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      child.once('close', () => done(words));
      setTimeout(done, 200, words);
    });
  });
}
