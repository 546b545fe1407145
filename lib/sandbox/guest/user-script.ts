import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { formatSeconds } from '../../util/format.ts';

/** Bytes of a script's output written to the console. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Runs a user-data script (`#!…`) in the guest's home, with its output on the console, and waits for its end, but at
 * most `timeout` milliseconds; it may run longer.
 *
 * @returns a description of its end
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
  let left = MAX_OUTPUT_BYTES;
  const copy = (output: Readable) =>
    output.on('data', (chunk: Buffer) => {
      // Always read to the end: a full pipe would block the script.
      if (left > 0) options.write(chunk.subarray(0, left));
      left -= chunk.length;
    });
  copy(child.stdout);
  copy(child.stderr);
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => resolve(`is still running after ${formatSeconds(options.timeout)}; the boot continues`),
      options.timeout,
    );
    const done = (words: string) => {
      clearTimeout(timer);
      resolve(words);
    };
    child.once('error', (error) => done(`could not be started: ${error.message}`));
    // Its last output is still in the pipe when it exits, but a background process may keep the pipe open forever.
    child.once('exit', (code, signal) => {
      const words = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      child.once('close', () => done(words));
      setTimeout(done, 200, words);
    });
  });
}
