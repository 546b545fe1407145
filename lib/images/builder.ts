import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CiError, factsOf, messageOf, toCiError } from '../errors/ci-error.ts';
import { imageFailedBefore, makingStopped, oldImageUsed, workerSilent } from '../errors/image.ts';
import { ConsoleWriter } from '../logs/console.ts';
import { safeName } from '../logs/file-name.ts';
import { imageFolder } from '../sandbox/worker/storage.ts';
import { abortable, withTimeout } from '../util/abort.ts';
import { sameOwner } from '../worker/owner.ts';
import type { CallOptions, Clone, ImageSpec, Owner, Worker } from '../worker/types.ts';
import { type ImageServices, imageOwner, makeInGuest } from './build-in-guest.ts';
import { answerOf } from './worker-answer.ts';

/** Milliseconds for which an image that failed is left alone. */
const REST = 1_800_000;

/** Bytes of an image's console. */
const CONSOLE_LIMIT = 256 * 2 ** 20;

const MINUTE = 60_000;

/** Minutes that the making of an image without a guest may take: downloads have a limit below it. */
const MAKING = 420;

/** How often a clone is tried where its image goes away under it. */
const TRIES = 3;

/** How the making of an image goes, or how it failed. */
export type ImageState = {
  /** Console of the making, of images made by scripts. */
  console: string;
  /** Milliseconds since the epoch. */
  since: number;
} & (
  | { state: 'making'; text: string }
  /** `rests`: it is not tried again for now, unless it is asked for. */
  | { state: 'failed'; error: CiError; rests: boolean }
);

interface Failure {
  error: CiError;
  since: number;
}

interface Making {
  worker: string;
  image: ImageSpec;
  since: number;
  text: string;
  promise: Promise<void>;
  listeners: Set<(text: string) => void>;
}

export interface ProvideOptions extends CallOptions {
  /** Told what happens to the image now: "62 %", "script init_dsvm". */
  onProgress?(text: string): void;
  /** Told that an older image is used, and why. */
  onWarning?(message: string): void;
}

/**
 * Sees to it that images are on their workers: each is made once for all who wait for it, and its making goes on where
 * they give up. One that failed is not tried again before it is changed, asked for, or half an hour has gone by; a fault
 * that may pass by itself (the worker was cut off, its disk was full) does not count.
 */
export class ImageMaker {
  readonly #services: ImageServices;
  readonly #dir: string;
  readonly #making = new Map<string, Making>();
  readonly #failed = new Map<string, Failure>();
  readonly #stop = new AbortController();

  /** @param dir folder of the images' consoles */
  constructor(services: ImageServices, dir: string) {
    this.#services = services;
    this.#dir = dir;
  }

  /**
   * Clones the image, which is made first if it is missing: one round trip if it is there. If an image cannot be
   * renewed, or cannot be copied again after its folder on the worker has changed, the previous one is cloned and
   * `onWarning` is told.
   */
  async clone(worker: Worker, image: ImageSpec, name: string, owner: Owner, options: ProvideOptions): Promise<Clone> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#cloneOf(worker, image, name, owner, options);
      } catch (error) {
        if (!isMissing(error) || tries === TRIES) throw error;
      }
      try {
        await this.provide(worker, image, options);
      } catch (error) {
        if (options.signal.aborted || !isLasting(error)) throw error;
        const clone = await this.#clonePrevious(worker, image, name, owner, options, messageOf(error));
        if (!clone) throw error;
        return clone;
      }
    }
  }

  /**
   * Waits until the image is there, making it where it is missing. The signal ends the wait, not the making.
   *
   * @throws CiError why it cannot be made, or could not a short while ago
   */
  async provide(worker: Worker, image: ImageSpec, { signal, onProgress }: ProvideOptions): Promise<void> {
    const key = keyOf(worker, image);
    if (!this.#making.has(key)) {
      if (await this.#isThere(worker, image, signal)) {
        this.forget(worker, image);
        return;
      }
      const failed = this.#failed.get(key);
      if (failed && rests(failed))
        throw imageFailedBefore(failed.error, Math.floor((Date.now() - failed.since) / MINUTE));
    }
    // Another may have begun it while the worker was asked.
    const making = this.#making.get(key) ?? this.#begin(worker, image, key);
    const listener = (text: string): void => onProgress?.(text);
    making.listeners.add(listener);
    if (making.text !== '') listener(making.text);
    try {
      await abortable(making.promise, signal);
    } finally {
      making.listeners.delete(listener);
    }
  }

  /** Forgets that the image, and those that it is made of, failed: the next who wants it tries at once. */
  forget(worker: Worker, image: ImageSpec): void {
    this.#failed.delete(keyOf(worker, image));
    if (image.source.kind === 'parent') this.forget(worker, image.source.parent);
  }

  /** How its making goes, or how it or one that it is made of failed; undefined where there is nothing to tell. */
  state(worker: Worker, image: ImageSpec): ImageState | undefined {
    const key = keyOf(worker, image);
    const console = this.consoleFile(worker, image);
    const making = this.#making.get(key);
    if (making) return { state: 'making', text: making.text, since: making.since, console };
    const failed = this.#failure(worker, image);
    return failed && { state: 'failed', ...failed, rests: rests(failed), console };
  }

  /** File with the console of the image's last making there. */
  consoleFile(worker: Worker, image: ImageSpec): string {
    return join(this.#dir, `${safeName(worker.id)}-${imageFolder(image)}.log`);
  }

  /**
   * Removes what nothing uses from a worker: images that are none of these, nor being made, nor part of either.
   *
   * @param current the images as they are set now
   * @returns `name@key` of each that went
   */
  async collect(worker: Worker, current: readonly ImageSpec[], options: CallOptions): Promise<string[]> {
    const making = [...this.#making.values()].filter((one) => one.worker === worker.id).map(({ image }) => image);
    const wanted = withParents([...current, ...making]);
    // Until a renewal has worked, the previous image may still be needed.
    const former: ImageSpec[] = [];
    for (const image of wanted) {
      if (image.former && !(await worker.storage.has(image, options))) former.push(...image.former);
    }
    return worker.storage.collect([...wanted, ...withParents(former)], options);
  }

  /** Whether a guest of that owner is one in which an image is being made now. */
  owns(owner: Owner): boolean {
    const { controller } = this.#services;
    return [...this.#making.values()].some(({ image }) => sameOwner(imageOwner(controller, image), owner));
  }

  /** Ends all making, and waits until nothing of it is left. */
  async close(): Promise<void> {
    this.#stop.abort(makingStopped());
    await Promise.allSettled([...this.#making.values()].map(({ promise }) => promise));
  }

  #isThere(worker: Worker, image: ImageSpec, signal: AbortSignal): Promise<boolean> {
    return answerOf(worker, `The look for image ${image.name}`, signal, (within) => worker.storage.has(image, within));
  }

  #cloneOf(
    worker: Worker,
    image: ImageSpec,
    name: string,
    owner: Owner,
    { signal }: CallOptions,
    more: { old?: boolean } = {},
  ): Promise<Clone> {
    const what = `Clone ${name} of image ${image.name}`;
    return answerOf(worker, what, signal, (within) => worker.storage.clone(image, name, owner, { ...within, ...more }));
  }

  /** Clones the latest image from before a renewal that failed; returns undefined if there is none. */
  async #clonePrevious(
    worker: Worker,
    image: ImageSpec,
    name: string,
    owner: Owner,
    options: ProvideOptions,
    why: string,
  ): Promise<Clone | undefined> {
    for (const one of [image, ...(image.former ?? [])]) {
      try {
        const clone = await this.#cloneOf(worker, one, name, owner, options, { old: true });
        options.onWarning?.(oldImageUsed(one.name, one.key, why));
        return clone;
      } catch (error) {
        if (!isMissing(error)) return undefined;
      }
    }
    return undefined;
  }

  #failure(worker: Worker, image: ImageSpec): Failure | undefined {
    const own = this.#failed.get(keyOf(worker, image));
    return own ?? (image.source.kind === 'parent' ? this.#failure(worker, image.source.parent) : undefined);
  }

  #begin(worker: Worker, image: ImageSpec, key: string): Making {
    const listeners = new Set<(text: string) => void>();
    const making: Making = {
      worker: worker.id,
      image,
      since: Date.now(),
      text: '',
      listeners,
      promise: Promise.resolve(),
    };
    this.#making.set(key, making);
    this.#failed.delete(key);
    making.promise = this.#make(worker, image, (text) => {
      making.text = text;
      for (const listener of listeners) listener(text);
    })
      .catch((error) => {
        const fault = toCiError(error, `Image ${image.name}`);
        // A parent's is on record already: its child is held up just as long.
        if (!this.#failure(worker, image)) this.#failed.set(key, { error: fault, since: Date.now() });
        throw fault;
      })
      .finally(() => this.#making.delete(key));
    // Whoever waits hears of it; nobody may wait any more.
    making.promise.catch(() => {});
    return making;
  }

  async #make(worker: Worker, image: ImageSpec, onProgress: (text: string) => void): Promise<void> {
    const { signal } = this.#stop;
    const { source } = image;
    if (source.kind !== 'parent') {
      const late = () => workerSilent(`Image ${image.name}`, worker.label, MAKING);
      await withTimeout(signal, MAKING * MINUTE, late, (within) =>
        worker.storage.make(image, { signal: within, onProgress }),
      );
      return;
    }
    const { parent } = source;
    const file = this.consoleFile(worker, image);
    // What an earlier making said is no reason of what happens now, be it to the parent.
    await rm(file, { force: true });
    await this.provide(worker, parent, { signal, onProgress: (text) => onProgress(`${parent.name}: ${text}`) });
    // Another controller may have made it meanwhile, or it lacked only its parent.
    if (await this.#isThere(worker, image, signal)) return;
    await mkdir(this.#dir, { recursive: true });
    const console = await ConsoleWriter.open(file, { limit: CONSOLE_LIMIT });
    try {
      const make = () => makeInGuest(worker, image, source, this.#services, { signal, console, onProgress });
      await make().catch((error) => {
        if (factsOf(error).kvm !== 'failed') throw error;
        console.line('=== again: the worker emulates its guests from now on');
        return make();
      });
    } finally {
      await console.close();
    }
  }
}

const isMissing = (error: unknown): boolean => factsOf(error).isNotFound === true;

/** Whether the next attempt would fail too: a connection that was lost comes back, a full disk stays full. */
const isLasting = (error: unknown): boolean =>
  error instanceof CiError && (!error.retryable || error.result === 'DISK_FULL');

/** Whether the image is left alone for now. */
const rests = ({ error, since }: Failure): boolean => !error.retryable && Date.now() - since < REST;

const keyOf = (worker: Worker, image: ImageSpec): string => `${worker.id} ${imageFolder(image)}`;

/** The images and all that they are made of. */
function withParents(images: readonly ImageSpec[]): ImageSpec[] {
  return images.flatMap((image) =>
    image.source.kind === 'parent' ? [image, ...withParents([image.source.parent])] : [image],
  );
}
