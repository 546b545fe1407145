import { messageOf } from '../errors/ci-error.ts';
import type { ImageSpec, Worker } from '../worker/types.ts';
import type { ImageMaker } from './builder.ts';

/** Milliseconds that images stay which nothing uses: a flow that is being changed may want them again. */
const GRACE = 3600_000;

/** Milliseconds for looking over one worker. */
const LIMIT = 600_000;

/** What is set in the flow now. */
export interface ImageSettings {
  /** Every image of the flow. @throws CiError where one of them cannot be told */
  images(): ImageSpec[];
  workers(): Worker[];
  /** Told what was removed from a worker, or why nothing was. */
  onCollected(worker: Worker, what: { removed: string[] } | { failed: string }): void;
}

/** Removes images from the workers that nothing uses any more: versions that were changed, and ones that were renewed. */
export class ImageKeeper {
  readonly #maker: ImageMaker;
  readonly #settings: ImageSettings;
  readonly #grace: number;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** @param grace milliseconds from the first change to the look */
  constructor(maker: ImageMaker, settings: ImageSettings, grace = GRACE) {
    this.#maker = maker;
    this.#settings = settings;
    this.#grace = grace;
  }

  /** Something changed, by which an image may be out of use: a deploy, or the end of a build. */
  changed(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#collect();
    }, this.#grace).unref();
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
      // Its node says so. What it would keep is not known, so all is kept.
      return;
    }
    for (const worker of this.#settings.workers()) {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LIMIT)]);
      try {
        const removed = await this.#maker.collect(worker, images, { signal });
        if (removed.length > 0) this.#settings.onCollected(worker, { removed });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#settings.onCollected(worker, { failed: messageOf(error) });
      }
    }
  }
}
