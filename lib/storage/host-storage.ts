import { draftGone, emptyImage, guestImage, imageThere, noDisk } from '../errors/image.ts';
import { isResumable } from '../errors/image-download.ts';
import { badPlace, foreignClone, imagesNotRemoved, nameTaken, noImage } from '../errors/storage.ts';
import type { HostSource } from '../ssh/types.ts';
import { abortable } from '../util/abort.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import type { CallOptions, Clone, ImageSpec, Owner, Storage } from '../worker/types.ts';
import { BACKENDS, type Backend } from './backends.ts';
import { collectable } from './collectable.ts';
import { fetchImage } from './download/download.ts';
import { checkName, imageFolder } from './names.ts';
import { EXIT } from './programs.ts';
import { StorageHost } from './storage-host.ts';
import { readClone, readGone, readImages, readRecords } from './storage-lines.ts';
import { commandOf, readStuck, reasonOf } from './stuck.ts';

/** Milliseconds that syncing an image's data to the disk may take. */
const SYNC_TIMEOUT_MS = 600_000;

/** A worker's storage, as set in its form. */
export interface HostStorageOptions {
  kind: Backend['kind'];
  /** Absolute path; for zfs the name of a mounted dataset. */
  place: string;
  /** Returns the worker, waiting until it can be reached. */
  host: HostSource;
}

/**
 * Returns copy-on-write storage on a machine on which commands run as root.
 *
 *     <place>/<name>@<key>/     an image: its disks (vda.qcow2, …)
 *     <place>/<clone>/          a clone
 *     <place>/.recheck/<clone>  the record of its owner
 *
 * Each call is one round trip. A call that changes something there always runs to its end, even if its caller aborts: the
 * next call for the same clone or image waits for it, here or, if the connection was lost, on the worker. One controller
 * owns a place.
 *
 * @throws CiError if the place is not valid for a storage of that kind
 */
export function hostStorage({ kind, place, host }: HostStorageOptions): Storage {
  const valid = kind === 'zfs' ? /^[A-Za-z][\w.-]*(\/[\w.:-]+)*$/ : /^\/[^/\0\n]+(\/[^/\0\n]+)*\/?$/;
  if (!valid.test(place)) throw badPlace(kind, place);
  return new HostStorage(new StorageHost(host, BACKENDS[kind], kind === 'zfs' ? place : place.replace(/\/$/, '')));
}

class HostStorage implements Storage {
  readonly #worker: StorageHost;
  readonly #lock = new KeyedLock();
  /** Images that are being built, and those that are being cloned: never collected. */
  readonly #drafts = new Set<string>();
  readonly #cloning = new Map<string, number>();
  #dropping: Promise<unknown> | undefined;

  constructor(worker: StorageHost) {
    this.#worker = worker;
  }

  async has(image: ImageSpec, { signal }: CallOptions): Promise<boolean> {
    const what = `Looking up image ${image.name}`;
    const { code } = await this.#worker.run('has', [imageFolder(image)], { what, answers: [EXIT.notThere], signal });
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
      const host = await this.#worker.host(signal);
      if (source.kind === 'empty') throw emptyImage(image.name, host.label);
      this.#drafts.add(id);
      try {
        const { code, stdout } = await this.#worker.run('open-draft', [id], { what, answers: [EXIT.ready] });
        if (code === EXIT.ready) return;
        try {
          await fetchImage(host, image.name, source, readClone(id, stdout).path, { signal, onProgress });
        } catch (error) {
          // A refused file must not take space, and a download that is resumed later must not keep the disk full.
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
    return this.#uninterrupted(`clone ${name}`, signal, async () => {
      await this.#dropping?.catch(() => undefined);
      this.#cloning.set(id, (this.#cloning.get(id) ?? 0) + 1);
      try {
        const { code, stdout } = await this.#worker.run('clone', [name, id, record, old ? 'old' : ''], {
          what: `Clone ${name} of image ${image.name}`,
          answers: [EXIT.noImage, EXIT.foreign, EXIT.taken],
        });
        if (code === EXIT.noImage) throw noImage(image.name);
        if (code === EXIT.taken) throw nameTaken(this.#worker.label, this.#worker.place, name);
        if (code === EXIT.foreign) {
          const { owner: other } = readRecords(`${name}:${stdout}`)[0] ?? {};
          throw foreignClone(name, other?.build ?? 'of another name', other?.attempt ?? 1);
        }
        const clone = readClone(name, stdout);
        if (clone.disks.length === 0) throw noDisk(image.name, this.#worker.label);
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
    await this.#uninterrupted(`clone ${name}`, signal, () =>
      this.#worker.run('remove', [name], { what: `The removal of clone ${name}` }),
    );
  }

  async list({ signal }: CallOptions): Promise<{ name: string; owner: Owner }[]> {
    const { stdout } = await this.#worker.run('list', [], { what: 'Listing the clones', signal });
    return readRecords(stdout).map(({ name, owner }) => ({ name, owner }));
  }

  async draft(image: ImageSpec, { signal }: CallOptions): Promise<Clone> {
    const { source } = image;
    const id = imageFolder(image);
    if (source.kind !== 'parent') throw noImage(image.name);
    const { parent } = source;
    return this.#uninterrupted(`image ${id}`, signal, async () => {
      await this.#dropping?.catch(() => undefined);
      this.#drafts.add(id).add(imageFolder(parent));
      try {
        const { code, stdout } = await this.#worker.run('fork-draft', [id, imageFolder(parent)], {
          what: `Image ${image.name}`,
          answers: [EXIT.ready, EXIT.noImage],
        });
        if (code === EXIT.ready) throw imageThere(image.name, this.#worker.label);
        if (code === EXIT.noImage) throw noImage(parent.name);
        const draft = readClone(id, stdout);
        if (draft.disks.length === 0) throw noDisk(parent.name, this.#worker.label);
        return draft;
      } catch (error) {
        this.#drafts.delete(id);
        throw error;
      } finally {
        // Once the draft exists, it names its parent itself.
        this.#drafts.delete(imageFolder(parent));
      }
    });
  }

  async adopt(image: ImageSpec, { signal }: CallOptions): Promise<void> {
    const id = imageFolder(image);
    await this.#uninterrupted(`image ${id}`, signal, () => this.#keep(image, id));
    this.#drafts.delete(id);
  }

  async discard(image: ImageSpec, { signal }: CallOptions): Promise<void> {
    const id = imageFolder(image);
    await this.#uninterrupted(`image ${id}`, signal, () => this.#drop(id));
  }

  async collect(keep: readonly ImageSpec[], { signal }: CallOptions): Promise<string[]> {
    return this.#uninterrupted('collect', signal, async () => {
      const what = 'Listing the images';
      const [images, records] = [
        await this.#worker.run('images', [], { what, signal }),
        await this.#worker.run('list', [], { what: 'Listing the clones', signal }),
      ];
      const used = readRecords(records.stdout).map(({ image }) => image);
      const kept = [...keep.map(imageFolder), ...used, ...this.#drafts, ...this.#cloning.keys()];
      const going = collectable(readImages(images.stdout), kept);
      if (going.length === 0) return [];
      const args = going.flatMap(({ kind, id }) => [kind, id]);
      // Nothing is cloned until they are gone.
      const drop = this.#worker.run('drop', args, { what: 'The removal of old images', answers: [EXIT.stuck] });
      this.#dropping = drop;
      try {
        const { stdout } = await drop;
        const gone = readGone(stdout);
        const left = readStuck(stdout);
        if (left.length === 0) return gone;
        const failures = left.map((one) => ({ name: one.name, why: reasonOf(one), command: commandOf(one) }));
        throw imagesNotRemoved(this.#worker.label, gone, failures);
      } finally {
        this.#dropping = undefined;
      }
    });
  }

  async #keep(image: ImageSpec, id: string): Promise<void> {
    const { code } = await this.#worker.run('adopt', [id], {
      what: `Image ${image.name}`,
      answers: [EXIT.noDraft, EXIT.noDisk],
      timeout: SYNC_TIMEOUT_MS,
    });
    if (code === EXIT.noDraft) throw draftGone(image.name, this.#worker.label);
    if (code === EXIT.noDisk) throw noDisk(image.name, this.#worker.label);
  }

  async #drop(id: string): Promise<void> {
    this.#drafts.delete(id);
    await this.#worker.run('discard', [id], { what: `The removal of the unfinished image ${id}` });
  }

  /** Runs work that must not be interrupted: an abort ends only the wait for it, or keeps it from starting. */
  async #uninterrupted<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const done = this.#lock.run(key, new AbortController().signal, async () => {
      signal.throwIfAborted();
      await abortable(this.#worker.host(signal), signal);
      return work();
    });
    return abortable(done, signal);
  }
}
