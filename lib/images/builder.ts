import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CiError, factsOf, messageOf, toCiError } from '../errors/ci-error.ts';
import { imageBuildStopped, imageFailedBefore, oldImageUsed, workerSilent } from '../errors/image.ts';
import { ConsoleWriter } from '../logs/console.ts';
import { safeName } from '../logs/file-name.ts';
import { imageFolder } from '../storage/names.ts';
import { abortable, withTimeout } from '../util/abort.ts';
import { sameOwner } from '../worker/owner.ts';
import type { CallOptions, Clone, ImageSpec, Owner, Worker } from '../worker/types.ts';
import { buildInGuest, imageOwner } from './build-in-guest.ts';
import type { ImageServices } from './services.ts';
import { answerOf } from './worker-answer.ts';

/** Milliseconds for which an image that failed is not built again. */
const FAILED_PAUSE_MS = 1_800_000;

/** Bytes that are kept of an image's console. */
const MAX_CONSOLE_BYTES = 256 * 2 ** 20;

const MINUTE_MS = 60_000;

/** Minutes that building an image without a guest may take: more than a download may (fetch-run.ts). */
const MAKE_TIMEOUT_MINUTES = 420;

/** Tries to clone an image that is removed meanwhile. */
const MAX_CLONE_TRY_COUNT = 3;

/** The progress of an image build, or how it failed. */
export type ImageState = {
  /** File of the build's console, for images with scripts. */
  console: string;
  /** Milliseconds since the epoch. */
  since: number;
} & (
  | { state: 'making'; text: string }
  /** `rests`: it is not built again for now, unless somebody asks for it. */
  | { state: 'failed'; error: CiError; rests: boolean }
);

interface Failure {
  error: CiError;
  since: number;
}

interface ImageBuild {
  worker: string;
  image: ImageSpec;
  since: number;
  text: string;
  promise: Promise<void>;
  listeners: Set<(text: string) => void>;
}

/** How a build is told about the image that it waits for. */
export interface ProvideOptions extends CallOptions {
  /** Called with what happens to the image now: "62 %", "script init_dsvm". */
  onProgress?(text: string): void;
  /** Called if an older image is used, with the reason. */
  onWarning?(message: string): void;
}

/**
 * Builds images on their workers: each once for all who wait for it, and to its end even if they give up. An image that
 * failed is not built again until it is changed, somebody asks for it, or half an hour has passed; a fault that may go away
 * (the worker was cut off, its disk was full) does not count.
 */
export class ImageBuilder {
  readonly #services: ImageServices;
  readonly #dir: string;
  readonly #builds = new Map<string, ImageBuild>();
  readonly #failed = new Map<string, Failure>();
  readonly #stop = new AbortController();

  /** @param dir folder of the images' consoles */
  constructor(services: ImageServices, dir: string) {
    this.#services = services;
    this.#dir = dir;
  }

  /**
   * Clones the image, building it first if it is missing: one round trip if it exists. If an image cannot be renewed,
   * or cannot be copied again after its folder on the worker has changed, the previous one is cloned and `onWarning` is
   * called.
   */
  async clone(worker: Worker, image: ImageSpec, name: string, owner: Owner, options: ProvideOptions): Promise<Clone> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#cloneOf(worker, image, name, owner, options);
      } catch (error) {
        if (!isMissing(error) || tries === MAX_CLONE_TRY_COUNT) throw error;
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
   * Waits until the image exists, building it if it is missing. The signal ends the wait, not the build.
   *
   * @throws CiError if it cannot be built, or could not a short while ago
   */
  async provide(worker: Worker, image: ImageSpec, { signal, onProgress }: ProvideOptions): Promise<void> {
    const key = keyOf(worker, image);
    if (!this.#builds.has(key)) {
      if (await this.#exists(worker, image, signal)) {
        this.forget(worker, image);
        return;
      }
      const failed = this.#failed.get(key);
      if (failed && rests(failed))
        throw imageFailedBefore(failed.error, Math.floor((Date.now() - failed.since) / MINUTE_MS));
    }
    // Another caller may have begun it while the worker was asked.
    const build = this.#builds.get(key) ?? this.#start(worker, image, key);
    const listener = (text: string): void => onProgress?.(text);
    build.listeners.add(listener);
    if (build.text !== '') listener(build.text);
    try {
      await abortable(build.promise, signal);
    } finally {
      build.listeners.delete(listener);
    }
  }

  /** Forgets that the image and its parents failed: the next caller who needs it builds it at once. */
  forget(worker: Worker, image: ImageSpec): void {
    this.#failed.delete(keyOf(worker, image));
    if (image.source.kind === 'parent') this.forget(worker, image.source.parent);
  }

  /** Returns the progress of its build, or how it or a parent failed; undefined if neither. */
  state(worker: Worker, image: ImageSpec): ImageState | undefined {
    const key = keyOf(worker, image);
    const console = this.consoleFile(worker, image);
    const build = this.#builds.get(key);
    if (build) return { state: 'making', text: build.text, since: build.since, console };
    const failed = this.#failure(worker, image);
    return failed && { state: 'failed', ...failed, rests: rests(failed), console };
  }

  /** Returns the path of the console of the image's last build there. */
  consoleFile(worker: Worker, image: ImageSpec): string {
    return join(this.#dir, `${safeName(worker.id)}-${imageFolder(image)}.log`);
  }

  /**
   * Removes unused images from a worker: those that are neither set nor being built, nor parents of such images.
   *
   * @param current the images that are set now
   * @returns `name@key` of each that was removed
   */
  async collect(worker: Worker, current: readonly ImageSpec[], options: CallOptions): Promise<string[]> {
    const building = [...this.#builds.values()].filter((one) => one.worker === worker.id).map(({ image }) => image);
    const wanted = withParents([...current, ...building]);
    // Until a renewal has succeeded, the previous image may still be needed.
    const former: ImageSpec[] = [];
    for (const image of wanted) {
      if (image.former && !(await worker.storage.has(image, options))) former.push(...image.former);
    }
    return worker.storage.collect([...wanted, ...withParents(former)], options);
  }

  /** Returns whether a guest of that owner is one in which an image is being built now. */
  owns(owner: Owner): boolean {
    const { controller } = this.#services;
    return [...this.#builds.values()].some(({ image }) => sameOwner(imageOwner(controller, image), owner));
  }

  /** Ends all builds, and waits until everything of them is removed. */
  async close(): Promise<void> {
    this.#stop.abort(imageBuildStopped());
    await Promise.allSettled([...this.#builds.values()].map(({ promise }) => promise));
  }

  #exists(worker: Worker, image: ImageSpec, signal: AbortSignal): Promise<boolean> {
    return answerOf(worker, `Looking up image ${image.name}`, signal, (within) => worker.storage.has(image, within));
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

  /** Clones the previous image after a renewal failed; returns undefined if there is none. */
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

  #start(worker: Worker, image: ImageSpec, key: string): ImageBuild {
    const listeners = new Set<(text: string) => void>();
    const begun = { worker: worker.id, image, since: Date.now(), text: '' };
    const build: ImageBuild = { ...begun, listeners, promise: Promise.resolve() };
    this.#builds.set(key, build);
    this.#failed.delete(key);
    build.promise = this.#build(worker, image, (text) => {
      build.text = text;
      for (const listener of listeners) listener(text);
    })
      .catch((error) => {
        const fault = toCiError(error, `Image ${image.name}`);
        // A parent's failure is already recorded, and holds its children back just as long.
        if (!this.#failure(worker, image)) this.#failed.set(key, { error: fault, since: Date.now() });
        throw fault;
      })
      .finally(() => this.#builds.delete(key));
    // Whoever waits is told; it is no unhandled rejection if nobody does any more.
    build.promise.catch(() => {});
    return build;
  }

  async #build(worker: Worker, image: ImageSpec, onProgress: (text: string) => void): Promise<void> {
    const { signal } = this.#stop;
    const { source } = image;
    if (source.kind !== 'parent') {
      const late = () => workerSilent(`Image ${image.name}`, worker.label, MAKE_TIMEOUT_MINUTES);
      await withTimeout(signal, MAKE_TIMEOUT_MINUTES * MINUTE_MS, late, (within) =>
        worker.storage.make(image, { signal: within, onProgress }),
      );
      return;
    }
    const { parent } = source;
    const file = this.consoleFile(worker, image);
    // The console of an earlier build does not explain what happens now, even to the parent.
    await rm(file, { force: true });
    await this.provide(worker, parent, { signal, onProgress: (text) => onProgress(`${parent.name}: ${text}`) });
    // Another controller may have built it meanwhile, or only its parent was missing.
    if (await this.#exists(worker, image, signal)) return;
    await mkdir(this.#dir, { recursive: true });
    const console = await ConsoleWriter.open(file, { limit: MAX_CONSOLE_BYTES });
    try {
      const make = () => buildInGuest(worker, image, source, this.#services, { signal, console, onProgress });
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

/** Returns whether the next attempt would fail too: a lost connection comes back, a full disk stays full. */
const isLasting = (error: unknown): boolean =>
  error instanceof CiError && (!error.retryable || error.result === 'DISK_FULL');

/** Returns whether the image is not built again for now. */
const rests = ({ error, since }: Failure): boolean => !error.retryable && Date.now() - since < FAILED_PAUSE_MS;

const keyOf = (worker: Worker, image: ImageSpec): string => `${worker.id} ${imageFolder(image)}`;

/** Returns the images and all of their parents. */
function withParents(images: readonly ImageSpec[]): ImageSpec[] {
  return images.flatMap((image) =>
    image.source.kind === 'parent' ? [image, ...withParents([image.source.parent])] : [image],
  );
}
