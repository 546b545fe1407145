import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { CommitFiles } from './git.ts';
import type { SampleKind } from './types.ts';

const FOLDER = join(import.meta.dirname, 'samples');

/** Files of the project on master. */
export const baseFiles = (): Promise<CommitFiles> => readTree(join(FOLDER, 'base'));

/** Returns a sample patchset: its commit message and its files. */
export async function sample(kind: SampleKind): Promise<{ message: string; files: CommitFiles }> {
  const folder = join(FOLDER, kind);
  return { message: await readFile(join(folder, 'message.txt'), 'utf8'), files: await readTree(join(folder, 'files')) };
}

async function readTree(folder: string): Promise<CommitFiles> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const rows = paths.map(async (path) => [relative(folder, path), await readFile(path, 'utf8')] as const);
  return Object.fromEntries(await Promise.all(rows));
}
