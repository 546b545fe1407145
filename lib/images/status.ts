import { stat } from 'node:fs/promises';
import { messageOf } from '../errors/ci-error.ts';
import type { CallOptions, ImageSpec, Worker } from '../worker/types.ts';
import type { ImageBuilder } from './builder.ts';

/** The state of an image on one worker, as the editor shows it. */
export interface WorkerImage {
  worker: string;
  label: string;
  /** `unknown` if the worker cannot be asked. */
  state: 'there' | 'absent' | 'making' | 'failed' | 'unknown';
  /** The progress of its build, why it failed, or why the worker cannot be asked. */
  text?: string;
  /** Milliseconds since the epoch: when the build began, or failed. */
  since?: number;
  /** Whether there is a console of its last build. */
  console: boolean;
}

/** Returns the state of the image on that worker. Never rejects. */
export async function imageOn(
  images: ImageBuilder,
  worker: Worker,
  image: ImageSpec,
  { signal }: CallOptions,
): Promise<WorkerImage> {
  const console = await stat(images.consoleFile(worker, image)).then(
    (found) => found.isFile(),
    () => false,
  );
  const shown = { worker: worker.id, label: worker.label, console };
  const known = images.state(worker, image);
  if (known?.state === 'making') return { ...shown, state: 'making', text: known.text, since: known.since };
  try {
    if (await worker.storage.has(image, { signal })) return { ...shown, state: 'there' };
  } catch (error) {
    return { ...shown, state: 'unknown', text: messageOf(error) };
  }
  if (known) return { ...shown, state: 'failed', text: known.error.message, since: known.since };
  return { ...shown, state: 'absent' };
}
