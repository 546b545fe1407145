import { guestTwice, noImage, noWorker } from '../../errors/build.ts';
import { until } from '../../storage/until.ts';
import type { ImageSpec, Worker } from '../../worker/types.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What a clone-image node is set to. */
export interface CloneSettings {
  node: string;
  image: ImageSpec | undefined;
  workers: Worker[];
  guest: string;
  /** Variable that gets the guest's address; empty for none. */
  addressEnv: string;
  /** Milliseconds that a build may wait for room. */
  wait: number;
}

/** Milliseconds that making an image, and cloning one, may take. */
const MAKE_LIMIT = 60 * 60_000;
const CLONE_LIMIT = 10 * 60_000;

/** Images that are being made now: two builds that want one make it once. */
const making = new Map<string, Promise<void>>();

/** Clones one guest's disk. The build's first clone takes a slot on the host with the most room; the others follow it. */
export async function cloneStep(
  { build, signal, progress }: StepContext,
  settings: CloneSettings,
  services: Services,
): Promise<StepOutcome> {
  const { image, workers, guest: name } = settings;
  if (!image) throw noImage(settings.node);
  if (workers.length === 0) throw noWorker(settings.node);
  const { lease } = build;
  if (lease.guests.has(name)) throw guestTwice(name);
  const worker = lease.worker ?? (await takeSlot());
  await provide(worker, image, signal, (text) => progress('image', { text }));
  const domain = `recheck-${build.id}-${build.attempt}-${name}`;
  progress('cloning');
  const guest = {
    name,
    worker,
    image,
    domain,
    booted: false,
    documented: false,
    addressEnv: settings.addressEnv || undefined,
  };
  lease.guests.set(name, guest);
  const owner = { build: build.id, attempt: build.attempt };
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(CLONE_LIMIT)]);
  const clone = await worker.storage.clone(image, domain, owner, { signal: inTime });
  lease.guests.set(name, { ...guest, clone });
  build.say(`${name}: cloned ${image.name} on ${worker.label}`);
  return { result: 'SUCCESS', payload: { guest: name, host: worker.label, image: image.name, clone: domain } };

  async function takeSlot(): Promise<Worker> {
    const taken = await services.room.acquire(build.id, workers, {
      limit: settings.wait,
      trusted: build.set.request.trusted,
      signal,
      onWait: (position) => progress('waiting', { position }),
    });
    lease.worker = taken;
    lease.onRelease(`The slot on ${taken.label}`, () => services.room.release(taken, build.id));
    return taken;
  }
}

async function provide(
  worker: Worker,
  image: ImageSpec,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<void> {
  if (await worker.storage.has(image, { signal })) return;
  const key = `${worker.id} ${image.name}@${image.key}`;
  let made = making.get(key);
  if (!made) {
    // Others may wait for it: it does not end with the build that asked first.
    made = worker.storage
      .make(image, { signal: AbortSignal.timeout(MAKE_LIMIT), onProgress })
      .finally(() => making.delete(key));
    // Whoever waits learns of a failure; where all have left, nobody does.
    made.catch(() => undefined);
    making.set(key, made);
  }
  await until(made, signal);
}
