import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { guestTwice, noImage, noWorker, otherWorker } from '../../errors/build.ts';
import type { Guest } from '../../guests/guest.ts';
import { formatOrdinal } from '../../util/format.ts';
import type { ImageSpec, Worker } from '../../worker/types.ts';
import type { Build } from '../build.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What a guest of a build takes of the host that all of them are on. */
export interface CloneWish {
  image: ImageSpec | undefined;
  workers: Worker[];
}

/** What a clone-image node is set to. */
export interface CloneSettings {
  node: string;
  image: ImageSpec | undefined;
  /** The worker hosts as they are set now: asked again while a build waits for room. */
  workers: () => Worker[];
  guest: string;
  /** Variable that gets the guest's address; empty for none. */
  addressEnv: string;
  /** Milliseconds that a build may wait for room. */
  wait: number;
  /** What the clone-image nodes take that the build can come to after this one. */
  later: () => CloneWish[];
}

/**
 * Clones one guest's disk; an image that is missing is made first. The build's first clone takes a slot on the host with
 * the most room, the others follow it.
 *
 * @throws CiError where they cannot, since their node does not name that host
 */
export async function cloneStep(
  { build, signal, progress, warn }: StepContext,
  settings: CloneSettings,
  services: Services,
): Promise<StepOutcome> {
  const { image, workers, guest: name } = settings;
  if (!image) throw noImage(settings.node);
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
  // A branch beside this one may have cloned it meanwhile.
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
    // The same guest: a branch beside this one may have given it its metadata meanwhile.
    guest.clone = await images.clone(worker, image, domain, owner, { signal, onProgress, onWarning });
  } catch (error) {
    await keepMaking(build, services, worker, image);
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
    const later = settings.later().filter((wish) => wish.workers.length > 0);
    const taken = await services.scheduler.acquire(build.id, workers, {
      limit: settings.wait,
      trusted: build.set.request.trusted,
      // One to which a later guest cannot follow, or on which the making of an image failed a moment ago, is no choice
      // where there is another.
      avoid: (one) => rests(one, image) || later.some((wish) => !isOneOf(one, wish.workers) || rests(one, wish.image)),
      signal,
      onWait: (position, why) => progress('waiting', { position: formatOrdinal(position), why }),
    });
    resources.worker = taken;
    resources.onRelease(`The slot on ${taken.label}`, () => services.scheduler.release(taken, build.id));
    return taken;
  }

  function rests(one: Worker, spec: ImageSpec | undefined): boolean {
    const state = spec && images.state(one, spec);
    return state?.state === 'failed' && state.rests;
  }
}

/** A deploy makes another worker of the same node. */
const isOneOf = (worker: Worker, workers: readonly Worker[]): boolean => workers.some(({ id }) => id === worker.id);

/** Publishes the console of an image's making where that failed. */
async function keepMaking(build: Build, { images }: Services, worker: Worker, image: ImageSpec): Promise<void> {
  for (let one: ImageSpec | undefined = image; one; one = parentOf(one)) {
    const state = images.state(worker, one);
    if (state?.state !== 'failed' || !build.log) continue;
    // An image that is only downloaded has none.
    const there = await stat(state.console).then(
      () => true,
      () => false,
    );
    if (there) await build.log.addFile(`images/${one.name}.log`, createReadStream(state.console)).catch(() => {});
  }
}

const parentOf = ({ source }: ImageSpec): ImageSpec | undefined =>
  source.kind === 'parent' ? source.parent : undefined;
