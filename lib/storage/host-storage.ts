import { draftGone, emptyImage, guestImage, imageThere, noDisk } from '../errors/image.ts';
import { isResumable } from '../errors/image-download.ts';
import { badPlace, foreignClone, imagesNotRemoved, nameTaken, noImage } from '../errors/storage.ts';
import { checkName } from '../sandbox/worker/records.ts';
import { imageFolder } from '../sandbox/worker/storage.ts';
import type { HostSource } from '../ssh/types.ts';
import { abortable } from '../util/abort.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import type { CallOptions, Clone, ImageSpec, Owner, Storage } from '../worker/types.ts';
import type { Backend } from './backends/backend.ts';
import { btrfs } from './backends/btrfs.ts';
import { overlay } from './backends/directory.ts';
import { zfs } from './backends/zfs.ts';
import { collectable } from './collectable.ts';
import { fetchImage } from './download/download.ts';
import {
  ADOPT,
  CLONE,
  DISCARD,
  DROP,
  EXIT,
  FORK_DRAFT,
  HAS,
  IMAGES,
  LIST,
  OPEN_DRAFT,
  REMOVE,
} from './programs/programs.ts';
import { StorageHost } from './storage-host.ts';
import { readClone, readGone, readImages, readRecords } from './storage-lines.ts';
import { commandOf, readStuck, reasonOf } from './stuck.ts';

/** Milliseconds for writing an image's data out. */
const FLUSH = 600_000;

/** A worker's storage as its settings name it. */
export interface HostStorageOptions {
  kind: Backend['kind'];
  /** Absolute path; for zfs the name of a dataset that is mounted. */
  place: string;
  /** Gives the worker, waiting until it can be reached. */
  host: HostSource;
}

export const BACKENDS = { btrfs, zfs, directory: overlay } satisfies Record<Backend['kind'], Backend>;

/**
 * Copy-on-write storage on a machine that commands reach as root.
 *
 *     <place>/<name>@<key>/     an image: its disks (vda.qcow2, …)
 *     <place>/<clone>/          a clone
 *     <place>/.recheck/<clone>  whose it is
 *
 * Each call is one round trip. What changes something there runs to its end once it has begun, however its caller
 * fares: the next call for the same thing waits for it, here or, where the connection was lost, there. One controller
 * owns a place.
 *
 * @throws CiError where the place cannot name a storage of that kind
 */
export function hostStorage({ kind, place, host }: HostStorageOptions): Storage {
  const valid = kind === 'zfs' ? /^[A-Za-z][\w.-]*(\/[\w.:-]+)*$/ : /^\/[^/\0\n]+(\/[^/\0\n]+)*\/?$/;
  if (!valid.test(place)) throw badPlace(kind, place);
  return new HostStorage(new StorageHost(host, BACKENDS[kind], kind === 'zfs' ? place : place.replace(/\/$/, '')));
}

class HostStorage implements Storage {
  readonly #there: StorageHost;
  readonly #lock = new KeyedLock();
  /** Images that are being made, and those that clones are being made of: never collected. */
  readonly #drafts = new Set<string>();
  readonly #cloning = new Map<string, number>();
  #dropping: Promise<unknown> | undefined;

  constructor(there: StorageHost) {
    this.#there = there;
  }

  async has(image: ImageSpec, { signal }: CallOptions): Promise<boolean> {
    const what = `The look for image ${image.name}`;
    const { code } = await this.#there.run(HAS, [imageFolder(image)], { what, answers: [EXIT.notThere], signal });
    return code === 0;
  }

  async make(
    image: ImageSpec,
    { signal, onProgress }: CallOptions & { onProgress?: (text: string) => void },
  ): Promise<void> {
    const { source } = image;
    const id = imageFolder(image);
    const what = `Image ${image.name}`;
    if (source.kind === 'parent') throw guestImage(image.name);
    await this.#lock.run(`image ${id}`, signal, async () => {
      const host = await this.#there.host(signal);
      if (source.kind === 'empty') throw emptyImage(image.name, host.label);
      this.#drafts.add(id);
      try {
        const { code, stdout } = await this.#there.run(OPEN_DRAFT, [id], { what, answers: [EXIT.ready] });
        if (code === EXIT.ready) return;
        try {
          await fetchImage(host, image.name, source, readClone(id, stdout).path, { signal, onProgress });
        } catch (error) {
          // A refused file must not take space, and what is resumed later must not keep the disk full.
          if (!isResumable(error)) await this.#drop(id).catch(() => undefined);
          throw error;
        }
        await this.#keep(image, id);
      } finally {
        this.#drafts.delete(id);
      }
    });
  }

  async clone(
    image: ImageSpec,
    name: string,
    owner: Owner,
    { signal, old = false }: CallOptions & { old?: boolean },
  ): Promise<Clone> {
    checkName('a clone', name);
    const id = imageFolder(image);
    const { controller, build, attempt } = owner;
    const record = JSON.stringify({ controller, build, attempt, image: id });
    return this.#whole(`clone ${name}`, signal, async () => {
      await this.#dropping?.catch(() => undefined);
      this.#cloning.set(id, (this.#cloning.get(id) ?? 0) + 1);
      try {
        const { code, stdout } = await this.#there.run(CLONE, [name, id, record, old ? 'old' : ''], {
          what: `Clone ${name} of image ${image.name}`,
          answers: [EXIT.noImage, EXIT.foreign, EXIT.taken],
        });
        if (code === EXIT.noImage) throw noImage(image.name);
        if (code === EXIT.taken) throw nameTaken(this.#there.label, this.#there.place, name);
        if (code === EXIT.foreign) {
          const { owner: other } = readRecords(`${name}:${stdout}`)[0] ?? {};
          throw foreignClone(name, other?.build ?? 'of another name', other?.attempt ?? 1);
        }
        const clone = readClone(name, stdout);
        if (clone.disks.length === 0) throw noDisk(image.name, this.#there.label);
        return clone;
      } finally {
        const left = this.#cloning.get(id)! - 1;
        if (left > 0) this.#cloning.set(id, left);
        else this.#cloning.delete(id);
      }
    });
  }

  async remove(name: string, { signal }: CallOptions): Promise<void> {
    checkName('a clone', name);
    await this.#whole(`clone ${name}`, signal, () =>
      this.#there.run(REMOVE, [name], { what: `The removal of clone ${name}` }),
    );
  }

  async list({ signal }: CallOptions): Promise<{ name: string; owner: Owner }[]> {
    const { stdout } = await this.#there.run(LIST, [], { what: 'The list of clones', signal });
    return readRecords(stdout).map(({ name, owner }) => ({ name, owner }));
  }

  async draft(image: ImageSpec, { signal }: CallOptions): Promise<Clone> {
    const { source } = image;
    const id = imageFolder(image);
    if (source.kind !== 'parent') throw noImage(image.name);
    const { parent } = source;
    return this.#whole(`image ${id}`, signal, async () => {
      await this.#dropping?.catch(() => undefined);
      this.#drafts.add(id).add(imageFolder(parent));
      try {
        const { code, stdout } = await this.#there.run(FORK_DRAFT, [id, imageFolder(parent)], {
          what: `Image ${image.name}`,
          answers: [EXIT.ready, EXIT.noImage],
        });
        if (code === EXIT.ready) throw imageThere(image.name, this.#there.label);
        if (code === EXIT.noImage) throw noImage(parent.name);
        const draft = readClone(id, stdout);
        if (draft.disks.length === 0) throw noDisk(parent.name, this.#there.label);
        return draft;
      } catch (error) {
        this.#drafts.delete(id);
        throw error;
      } finally {
        // Once the draft is there, it says itself what it is made of.
        this.#drafts.delete(imageFolder(parent));
      }
    });
  }

  async adopt(image: ImageSpec, { signal }: CallOptions): Promise<void> {
    const id = imageFolder(image);
    await this.#whole(`image ${id}`, signal, () => this.#keep(image, id));
    this.#drafts.delete(id);
  }

  async discard(image: ImageSpec, { signal }: CallOptions): Promise<void> {
    const id = imageFolder(image);
    await this.#whole(`image ${id}`, signal, () => this.#drop(id));
  }

  async collect(keep: readonly ImageSpec[], { signal }: CallOptions): Promise<string[]> {
    return this.#whole('collect', signal, async () => {
      const what = 'The list of images';
      const [images, records] = [
        await this.#there.run(IMAGES, [], { what, signal }),
        await this.#there.run(LIST, [], { what: 'The list of clones', signal }),
      ];
      const used = readRecords(records.stdout).map(({ image }) => image);
      const kept = [...keep.map(imageFolder), ...used, ...this.#drafts, ...this.#cloning.keys()];
      const going = collectable(readImages(images.stdout), kept);
      if (going.length === 0) return [];
      const args = going.flatMap(({ kind, id }) => [kind, id]);
      // Nothing is cloned from now until they are gone.
      const drop = this.#there.run(DROP, args, { what: 'The removal of old images', answers: [EXIT.stuck] });
      this.#dropping = drop;
      try {
        const { stdout } = await drop;
        const gone = readGone(stdout);
        const left = readStuck(stdout);
        if (left.length === 0) return gone;
        const told = left.map((one) => ({ name: one.name, why: reasonOf(one), command: commandOf(one) }));
        throw imagesNotRemoved(this.#there.label, gone, told);
      } finally {
        this.#dropping = undefined;
      }
    });
  }

  async #keep(image: ImageSpec, id: string): Promise<void> {
    const { code } = await this.#there.run(ADOPT, [id], {
      what: `Image ${image.name}`,
      answers: [EXIT.noDraft, EXIT.noDisk],
      timeout: FLUSH,
    });
    if (code === EXIT.noDraft) throw draftGone(image.name, this.#there.label);
    if (code === EXIT.noDisk) throw noDisk(image.name, this.#there.label);
  }

  async #drop(id: string): Promise<void> {
    this.#drafts.delete(id);
    await this.#there.run(DISCARD, [id], { what: `The removal of the half-made image ${id}` });
  }

  /** Does work that is not left half done: an abort ends the wait for it, and keeps it from being begun. */
  async #whole<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const done = this.#lock.run(key, new AbortController().signal, async () => {
      signal.throwIfAborted();
      await abortable(this.#there.host(signal), signal);
      return work();
    });
    return abortable(done, signal);
  }
}
