import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../util/atomic-file.ts';

/**
 * Small JSON files `<folder>/<name>.json`, each replaced atomically. A record is written before the thing it describes
 * is created and removed after it is gone, so that after a crash the records include everything unfinished.
 */
export class Records<T> {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes a record, creating the folder if necessary. @throws the file system's error */
  async write(name: string, value: T): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(this.#file(name), JSON.stringify(value));
  }

  /** Reads a record; undefined if there is none, or if it is not JSON. */
  async read(name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(this.#file(name), 'utf8')) as T;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Removes a record. Idempotent. */
  async remove(name: string): Promise<void> {
    await rm(this.#file(name), { force: true });
  }

  /** Returns all records, sorted by name. */
  async list(): Promise<{ name: string; value: T }[]> {
    const files = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const found: { name: string; value: T }[] = [];
    for (const file of files.sort()) {
      if (file.startsWith('.') || !file.endsWith('.json')) continue;
      const name = file.slice(0, -'.json'.length);
      const value = await this.read(name);
      if (value !== undefined) found.push({ name, value });
    }
    return found;
  }

  #file(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}
