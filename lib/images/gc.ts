import { messageOf } from '../errors/ci-error.ts';
import type { ImageSpec, Worker } from '../worker/types.ts';
import type { ImageBuilder } from './builder.ts';

/** Milliseconds that unused images are kept: a flow that is being edited may need them again. */
const GRACE_MS = 3600_000;

/** Milliseconds that collecting the images of one worker may take. */
const COLLECT_TIMEOUT_MS = 600_000;

/** What is set in the flow. */
export interface ImageSettings {
  /** Returns every image of the flow. @throws CiError if the settings of one cannot be read */
  images(): ImageSpec[];
  workers(): Worker[];
  /** Called with what was removed from a worker, or why nothing was. */
  onCollected(worker: Worker, what: { removed: string[] } | { failed: string }): void;
}

/** Removes unused images from the workers: earlier versions of images that were changed or renewed. */
export class ImageCollector {
  readonly #builder: ImageBuilder;
  readonly #settings: ImageSettings;
  readonly #graceMs: number;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** @param graceMs from the first change to the removal */
  constructor(builder: ImageBuilder, settings: ImageSettings, graceMs = GRACE_MS) {
    this.#builder = builder;
    this.#settings = settings;
    this.#graceMs = graceMs;
  }

  /** Schedules a removal after a change by which an image may no longer be used: a deploy, or the end of a build. */
  changed(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#collect();
    }, this.#graceMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  async #collect(): Promise<void> {
    let images: ImageSpec[];
    try {
      images = this.#settings.images();
    } catch {
      // Its node reports the error. Which images it needs is not known, so all are kept.
      return;
    }
    for (const worker of this.#settings.workers()) {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(COLLECT_TIMEOUT_MS)]);
      try {
        const removed = await this.#builder.collect(worker, images, { signal });
        if (removed.length > 0) this.#settings.onCollected(worker, { removed });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#settings.onCollected(worker, { failed: messageOf(error) });
      }
    }
  }
}
