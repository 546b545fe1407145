import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHECK = "process.exit(require('ssh2/lib/protocol/crypto.js').bindingAvailable ? 0 : 1)";

const loads = (): Promise<boolean> =>
  run(process.execPath, ['-e', CHECK], { cwd: import.meta.dirname }).then(
    () => true,
    () => false,
  );

/** Returns the folder of Node's headers, which its npm package contains. */
async function headers(): Promise<string | undefined> {
  const name = `node-${process.platform}-${process.arch}`;
  const root = join(import.meta.dirname, '..', 'node_modules');
  for (const dir of [
    join(root, 'node', 'node_modules', name),
    join(root, name),
    join(dirname(process.execPath), '..'),
  ]) {
    if (await stat(join(dir, 'include', 'node', 'node.h')).catch(() => undefined)) return dir;
  }
  return undefined;
}

/**
 * Builds ssh2's native cipher binding if it does not load in this Node. `npm ci` builds it for the Node that runs npm; in
 * another one, ssh2 silently uses code that is five times slower.
 *
 * @returns a sentence about it for the table
 */
export async function nativeBinding(): Promise<string> {
  if (await loads()) return 'ssh2 runs on its native binding';
  const dir = await headers();
  if (dir === undefined) return NOT_LOADED;
  const ssh2 = dirname(createRequire(import.meta.url).resolve('ssh2/package.json'));
  await run('npm', ['rebuild', 'ssh2'], {
    cwd: join(ssh2, '..', '..'),
    env: { ...process.env, npm_config_nodedir: dir },
    timeout: 120_000,
  }).catch(() => undefined);
  return (await loads()) ? 'ssh2 runs on its native binding, built just now for this Node' : NOT_LOADED;
}

const NOT_LOADED =
  "ssh2's native binding does NOT load: ssh2 runs on code five times slower. To build it: " +
  'npm_config_nodedir=<a folder with include/node of this Node> npm rebuild ssh2';
