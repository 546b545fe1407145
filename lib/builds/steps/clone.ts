import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { guestTwice, noImageSelected, noWorker, otherWorker } from '../../errors/build.ts';
import type { Guest } from '../../guests/guest.ts';
import { formatOrdinal } from '../../util/format.ts';
import type { ImageSpec, Worker } from '../../worker/types.ts';
import type { Build } from '../build.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What a guest requires of the host that all of a build's guests share. */
export interface CloneRequirement {
  image: ImageSpec | undefined;
  workers: Worker[];
}

/** Settings of a clone-image node. */
export interface CloneSettings {
  node: string;
  image: ImageSpec | undefined;
  /** Returns the worker hosts as deployed now; called again while the build waits for a slot. */
  workers: () => Worker[];
  guest: string;
  /** Environment variable for the guest's address; empty for none. */
  addressEnv: string;
  /** Milliseconds to wait for a slot at most. */
  wait: number;
  /** Returns the requirements of later clone-image nodes in the lane. */
  later: () => CloneRequirement[];
}

/**
 * Clones a guest's disk from its image, which is built first if it is missing. The build's first clone takes a slot on the
 * host with the most capacity; later ones use the same host.
 *
 * @throws CiError if no host or image is available, or a later node does not allow that host
 */
export async function cloneStep(
  { build, signal, progress, warn }: StepContext,
  settings: CloneSettings,
  services: Services,
): Promise<StepOutcome> {
  const { image, workers, guest: name } = settings;
  if (!image) throw noImageSelected(settings.node);
  if (workers().length === 0) throw noWorker(settings.node);
  const { images } = services;
  const { resources } = build;
  if (resources.guests.has(name)) throw guestTwice(name);
  const worker = resources.worker ?? (await takeSlot());
  const named = workers();
  if (!isOneOf(worker, named)) {
    const labels = named.map(({ label }) => label).join(', ');
    throw otherWorker(settings.node, worker.label, labels || 'none');
  }
  // A parallel branch may have cloned it meanwhile.
  if (resources.guests.has(name)) throw guestTwice(name);
  const domain = `recheck-${build.id}-${build.attempt}-${name}`;
  const guest: Guest = {
    name,
    worker,
    image,
    domain,
    booted: false,
    ...(settings.addressEnv ? { addressEnv: settings.addressEnv } : {}),
  };
  resources.guests.set(name, guest);
  const owner = { controller: services.controller, build: build.id, attempt: build.attempt };
  progress('cloning');
  const onProgress = (text: string) => progress('image', { text });
  const onWarning = (message: string) => warn?.(message);
  try {
    // Keep the same object: a parallel branch may have set its metadata meanwhile.
    guest.clone = await images.clone(worker, image, domain, owner, { signal, onProgress, onWarning });
  } catch (error) {
    await publishImageConsoles(build, services, worker, image);
    throw error;
  }
  services.scheduler.noteClone(worker);
  build.say(`${name}: cloned ${image.name} on ${worker.label}`);
  return { result: 'SUCCESS', payload: { guest: name, host: worker.label, image: image.name, clone: domain } };

  function takeSlot(): Promise<Worker> {
    resources.placing ??= place().finally(() => {
      resources.placing = undefined;
    });
    return resources.placing;
  }

  async function place(): Promise<Worker> {
    let lastWhy: string | undefined;
    const later = settings.later().filter((next) => next.workers.length > 0);
    const taken = await services.scheduler.acquire(build.id, workers, {
      limit: settings.wait,
      trusted: build.set.request.trusted,
      // Avoid a host that a later guest may not use, or where the build of an image failed recently.
      avoid: (one) =>
        failedRecently(one, image) ||
        later.some((next) => !isOneOf(one, next.workers) || failedRecently(one, next.image)),
      signal,
      onWait(position, why, brief) {
        progress('waiting', { position: formatOrdinal(position), why, brief });
        // The node has no place for the whole sentence.
        if (why !== lastWhy) build.say(`Waiting for a slot: ${why}.`);
        lastWhy = why;
      },
    });
    resources.worker = taken;
    resources.onRelease(`The slot on ${taken.label}`, () => services.scheduler.release(taken, build.id));
    return taken;
  }

  function failedRecently(one: Worker, spec: ImageSpec | undefined): boolean {
    const state = spec && images.state(one, spec);
    return state?.state === 'failed' && state.rests;
  }
}

/** Compares by id, because a deploy creates another object for the same worker. */
const isOneOf = (worker: Worker, workers: readonly Worker[]): boolean => workers.some(({ id }) => id === worker.id);

/** Adds the consoles of failed image builds to the build's log. */
async function publishImageConsoles(
  build: Build,
  { images }: Services,
  worker: Worker,
  image: ImageSpec,
): Promise<void> {
  for (let one: ImageSpec | undefined = image; one; one = parentOf(one)) {
    const state = images.state(worker, one);
    if (state?.state !== 'failed' || !build.log) continue;
    // An image that is only downloaded has no console.
    const exists = await stat(state.console).then(
      () => true,
      () => false,
    );
    if (exists) await build.log.addFile(`images/${one.name}.log`, createReadStream(state.console)).catch(() => {});
  }
}

const parentOf = ({ source }: ImageSpec): ImageSpec | undefined =>
  source.kind === 'parent' ? source.parent : undefined;
