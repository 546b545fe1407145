import { constants } from 'node:fs';
import { cp, mkdir, readdir, realpath, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskImage } from '../../errors/image.ts';
import { foreignClone, noImage, noSource, sourceNotFolder } from '../../errors/storage.ts';
import { checkName, imageFolder } from '../../storage/names.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';
import { removeTree } from '../../util/remove-tree.ts';
import { sameOwner } from '../../worker/owner.ts';
import type { CallOptions, Clone, ImageSpec, Owner, Storage } from '../../worker/types.ts';
import { guarded } from './guarded.ts';
import { Records } from './records.ts';

/**
 * Storage in plain folders of this machine, for the sandbox worker:
 *
 *     <root>/images/<name>@<key>/   what clones are copied from
 *     <root>/clones/<name>/         a clone
 *     <root>/clones/<name>.json     its owner; written first, removed last
 *
 * An image or clone has a leading dot in its name until it is complete, so that an unfinished one is never used. Files
 * are copied by reflink if the file system supports it. A root belongs to one controller.
 */
export class DirectoryStorage implements Storage {
  readonly #images: string;
  readonly #clones: string;
  readonly #owners: Records<Owner>;
  readonly #lock = new KeyedLock();

  constructor(root: string) {
    this.#images = join(root, 'images');
    this.#clones = join(root, 'clones');
    this.#owners = new Records(this.#clones);
  }

  async has(image: ImageSpec, { signal }: CallOptions): Promise<boolean> {
    signal.throwIfAborted();
    return isFolder(join(this.#images, imageFolder(image)));
  }

  async make(
    image: ImageSpec,
    { signal, onProgress }: CallOptions & { onProgress?: (text: string) => void },
  ): Promise<void> {
    const folder = imageFolder(image);
    const { source } = image;
    if (source.kind === 'url' || source.kind === 'parent') throw diskImage(image.name);
    // If two builds need it, it is made once: the second one finds it when its turn comes.
    await this.#lock.run(`image ${folder}`, signal, async () => {
      if (await this.has(image, { signal })) return;
      const whole = join(this.#images, folder);
      const draft = join(this.#images, `.${folder}`);
      const from = source.kind === 'directory' ? await sourceFolder(image.name, source.path) : undefined;
      await guarded(`Image ${image.name}`, signal, async () => {
        await removeTree(draft, signal);
        await mkdir(this.#images, { recursive: true });
        onProgress?.('copying');
        if (from === undefined) await mkdir(draft);
        else await copyTree(from, draft, signal);
        await rename(draft, whole);
      });
    });
  }

  async clone(image: ImageSpec, name: string, owner: Owner, { signal }: CallOptions): Promise<Clone> {
    checkName('a clone', name);
    const path = join(this.#clones, name);
    return this.#lock.run(`clone ${name}`, signal, () =>
      guarded(`Clone ${name} of image ${image.name}`, signal, async () => {
        const before = await this.#owners.read(name);
        if (before && !sameOwner(before, owner)) throw foreignClone(name, before.build, before.attempt);
        if (before && (await isFolder(path))) return { name, path, disks: [] };
        if (!(await this.has(image, { signal }))) throw noImage(image.name);
        const { controller, build, attempt } = owner;
        await this.#owners.write(name, { controller, build, attempt });
        const draft = join(this.#clones, `.${name}`);
        await removeTree(draft, signal);
        await copyTree(join(this.#images, imageFolder(image)), draft, signal);
        await rename(draft, path);
        return { name, path, disks: [] };
      }),
    );
  }

  async remove(name: string, { signal }: CallOptions): Promise<void> {
    checkName('a clone', name);
    await this.#lock.run(`clone ${name}`, signal, () =>
      guarded(`The removal of clone ${name}`, signal, async () => {
        await removeTree(join(this.#clones, `.${name}`), signal);
        await removeTree(join(this.#clones, name), signal);
        await this.#owners.remove(name);
      }),
    );
  }

  async list({ signal }: CallOptions): Promise<{ name: string; owner: Owner }[]> {
    return guarded('The list of clones', signal, async () => {
      signal.throwIfAborted();
      return (await this.#owners.list()).map(({ name, value }) => ({ name, owner: value }));
    });
  }

  async draft(image: ImageSpec): Promise<Clone> {
    throw diskImage(image.name);
  }

  async adopt(image: ImageSpec): Promise<void> {
    throw diskImage(image.name);
  }

  /** Does nothing: there are no drafts. */
  async discard(): Promise<void> {}

  async collect(keep: readonly ImageSpec[], { signal }: CallOptions): Promise<string[]> {
    const kept = new Set(keep.map(imageFolder));
    return guarded('The removal of old images', signal, async () => {
      const there = await readdir(this.#images).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      // A leading dot means unfinished: the next `make` replaces it.
      const going = there.filter((name) => !name.startsWith('.') && !kept.has(name));
      for (const name of going) {
        await this.#lock.run(`image ${name}`, signal, () => removeTree(join(this.#images, name), signal));
      }
      return going;
    });
  }
}

/** Copies a folder, sharing blocks if the file system can; symbolic links are not changed. */
async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  await cp(from, to, {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    errorOnExist: true,
    force: false,
    filter: () => {
      signal.throwIfAborted();
      return true;
    },
  });
}

async function sourceFolder(image: string, path: string): Promise<string> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    throw noSource(image, path, error);
  }
  if (!(await isFolder(real))) throw sourceNotFolder(image, path);
  return real;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
