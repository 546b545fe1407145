/** Packs the package with npm and installs it into a user directory, as its users do. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const root = join(import.meta.dirname, '..', '..');
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

export interface Manifest {
  name: string;
  version: string;
  license: string;
  homepage?: string;
  repository?: { url: string };
  bugs?: { url: string };
  keywords: string[];
  engines: { node: string };
  dependencies: Record<string, string>;
  'node-red': { version: string; nodes: Record<string, string>; plugins: Record<string, string> };
}

/** Newest release of the oldest supported line of Node-RED. */
const OLD = '4.1.15';

/** Runs npm and returns its output. */
export async function npm(args: string[], cwd: string): Promise<string> {
  const { stdout } = await run('npm', args, { cwd, maxBuffer: 64 << 20, timeout: 300_000 });
  return stdout;
}

/** Packs the built checkout. Returns the tarball and the files in it. */
export async function pack(): Promise<{ tarball: string; files: string[]; remove(): void }> {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-pack-'));
  const said = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', dir], root);
  const [packed] = Object.values(JSON.parse(said) as Record<string, { filename: string; files: { path: string }[] }>);
  if (!packed) throw new Error(`npm pack printed ${said}`);
  return {
    tarball: join(dir, packed.filename),
    files: packed.files.map((file) => file.path),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Returns a user directory with the tarball installed. Its dependencies' scripts, which are optional, are not run. */
export async function userDirWith(tarball: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-user-'));
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'user-dir', private: true }));
  await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', tarball], dir);
  return dir;
}

/** Returns the folder of a Node-RED: the checkout's own, or one of the 4.1 line, installed once per machine. */
export async function nodeRed(line: '5' | '4.1'): Promise<string> {
  if (line === '5') return join(root, 'node_modules', 'node-red');
  const dir = join(homedir(), '.cache', 'recheck-node-red-4.1');
  const home = join(dir, 'node_modules', 'node-red');
  try {
    const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string };
    if (version === OLD) return home;
  } catch {
    // Not installed yet.
  }
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'node-red-4.1', private: true }));
  await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', `node-red@${OLD}`], dir);
  return home;
}
