import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stateTooNew, stateUnreadable } from '../../../errors/sandbox.ts';
import { generateKeyPair, publicKeyOf } from '../../../ssh/keys.ts';
import { writeFileAtomic } from '../../../util/atomic-file.ts';
import type { State } from './types.ts';

/** Reads the state of an earlier start; undefined if there is none. @throws CiError if it cannot be read */
export async function loadState(file: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw stateUnreadable(file, error);
  }
  let state: State;
  try {
    state = JSON.parse(text);
    if (!Array.isArray(state?.changes)) throw new Error('it holds no list of changes');
  } catch (error) {
    throw stateUnreadable(file, error);
  }
  if (state.version !== 1) throw stateTooNew(file, state.version);
  return state;
}

/** Returns the key pair stored in a folder under a name, creating it the first time. */
export async function keptKeyPair(dir: string, name: string): Promise<{ privateKey: string; publicKey: string }> {
  const file = join(dir, name);
  const privateKey = await readFile(file, 'utf8').catch(() => undefined);
  if (privateKey) return { privateKey, publicKey: publicKeyOf(privateKey) };
  const pair = generateKeyPair(`${name} sandbox`);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileAtomic(file, pair.privateKey);
  await writeFileAtomic(`${file}.pub`, `${pair.publicKey}\n`, { mode: 0o644 });
  await chmod(dir, 0o700);
  return pair;
}
