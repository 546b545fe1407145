import { nothingToBoot } from '../../errors/build.ts';
import { bootFailed, PRIVATE_FIRST } from '../../errors/build-guest.ts';
import { type CiError, factsOf, messageOf } from '../../errors/ci-error.ts';
import type { Guest } from '../../guests/guest.ts';
import { whyNotUp } from '../../guests/not-up.ts';
import { connectGuest, settleGuest } from '../../guests/reconnect.ts';
import { watchGuest } from '../../guests/watch.ts';
import { formatSeconds } from '../../util/format.ts';
import { pickHardware } from '../../worker/hardware.ts';
import { isFirstPrivate } from '../../worker/private-first.ts';
import type { Hardware, Network } from '../../worker/types.ts';
import type { Build } from '../build.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** Settings of a virsh-boot node. Virtual hardware that is not set here is chosen by each guest's image. */
export interface BootSettings extends Hardware {
  /** MiB. */
  memory: number;
  vcpus: number;
  networks: Network[];
  /** Settings of single guests that differ. */
  guests: { guest: string; memory?: number; vcpus?: number }[];
  /** Milliseconds within which an SSH login must succeed. */
  timeout: number;
  /** Milliseconds within which cloud-init must finish after the login; 0 to not wait for it. */
  cloudInit: number;
  /** Template of the domain's XML; the built-in one by default. */
  template?: string;
}

/** One guest's boot. */
interface Boot {
  build: Build;
  guest: Guest;
  settings: BootSettings;
  services: Services;
  /** Aborts if the step was aborted or another guest failed. */
  signal: AbortSignal;
  /** Aborts when the login has timed out. */
  late: AbortSignal;
  progress: StepContext['progress'];
}

/**
 * Boots all guests that are cloned and not booted, in parallel, and waits until each accepts an SSH login and its
 * cloud-init has finished.
 *
 * @throws CiError if there is no such guest, or one does not come up
 */
export async function bootStep(context: StepContext, settings: BootSettings, services: Services): Promise<StepOutcome> {
  const { build } = context;
  const guests = [...build.resources.guests.values()].filter((guest) => guest.clone && !guest.booted);
  if (guests.length === 0) throw nothingToBoot();
  const names = guests.map((guest) => guest.name).join(', ');
  const late = AbortSignal.timeout(settings.timeout);
  // A failure stops waiting for the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  context.progress('booting', { guests: names });
  if (guests.some((guest) => isCutOff(guest, settings))) build.say(PRIVATE_FIRST);
  // Wait for all to end: the end of the build would miss a guest that is still being booted.
  const ended = await Promise.allSettled(
    guests.map(async (guest) => {
      try {
        await bootGuest({ build, guest, settings, services, signal, late, progress: context.progress });
      } catch (error) {
        const otherFailed = failed.signal.aborted;
        failed.abort(error);
        if (context.signal.aborted) throw context.signal.reason;
        if (otherFailed) return;
        throw error;
      }
    }),
  );
  const fault = ended.find((end) => end.status === 'rejected');
  if (fault) throw fault.reason;
  services.scheduler.noteBoot(guests[0]!.worker);
  const payload = Object.fromEntries(guests.map((guest) => [guest.name, guest.address?.host]));
  return { result: 'SUCCESS', payload };
}

/** Returns whether a guest gets no address by DHCP, because its first network card is on a private bridge. */
const isCutOff = ({ worker }: Guest, { networks }: BootSettings): boolean =>
  worker.isolated && isFirstPrivate(networks);

/** Boots one guest until scripts can run in it. */
async function bootGuest(boot: Boot): Promise<void> {
  const { build, guest } = boot;
  try {
    await bootOnce(boot);
  } catch (error) {
    if (boot.signal.aborted || factsOf(error).kvm !== 'failed') throw error;
    build.say(`${guest.name}: ${messageOf(error)} Booting it again with emulation.`);
    await recloneGuest(boot);
    // The second try gets the full time for the login.
    await bootOnce({ ...boot, late: AbortSignal.timeout(boot.settings.timeout) });
  }
  if (guest.addressEnv) build.env[guest.addressEnv] = guest.address!.host;
  const { worker } = guest;
  const isUnverified = worker.giveHostKeys && guest.metadata?.hostKey === undefined;
  build.say(`${guest.name}: up at ${guest.address!.host}${isUnverified ? ' (SSH host key not verified)' : ''}`);
}

async function bootOnce(boot: Boot): Promise<void> {
  const watched = watchGuest(boot.guest.worker.hypervisor, boot.guest.domain);
  try {
    await logIn(boot, watched.signal);
    await waitForCloudInit(boot, watched.signal);
  } finally {
    watched.stop();
  }
}

/** Gives a guest a fresh clone: when KVM fails it may leave a half-written disk. */
async function recloneGuest({ build, guest, services, signal }: Boot): Promise<void> {
  const { worker, image, domain } = guest;
  guest.host?.close();
  for (const known of ['host', 'address', 'bootId', 'fault'] as const) delete guest[known];
  guest.metadata?.renew?.();
  await worker.hypervisor.stop(domain, { signal });
  await worker.storage.remove(domain, { signal });
  const owner = { controller: services.controller, build: build.id, attempt: build.attempt };
  guest.clone = await services.images.clone(worker, image, domain, owner, { signal });
}

/** Boots a guest and logs in to it. @throws CiError with the reason if the login does not succeed */
async function logIn(boot: Boot, watched: AbortSignal): Promise<void> {
  const { guest, late, services } = boot;
  const signal = AbortSignal.any([boot.signal, late, watched]);
  try {
    await start(boot, signal);
    await connectGuest(guest, services, {
      signal,
      onAddress() {
        guest.trouble ??= 'no answer';
        boot.progress('login', { guest: guest.name });
      },
      onTrouble(why) {
        guest.trouble = why;
      },
    });
  } catch (error) {
    if (boot.signal.aborted) throw error;
    const cause = watched.aborted ? watched.reason : error;
    const { why, last } = await whyNotUp(cause, {
      hypervisor: guest.worker.hypervisor,
      domain: guest.domain,
      timeUp: late.aborted ? boot.settings.timeout : undefined,
      trouble: guest.trouble,
      firmware: guest.hardware?.firmware,
      privateFirst: isCutOff(guest, boot.settings),
    });
    throw bootFailed(guest.name, guest.worker.label, why, last);
  }
}

async function start({ build, guest, settings, services }: Boot, signal: AbortSignal): Promise<void> {
  const { worker, domain, clone } = guest;
  const own = settings.guests.find((row) => row.guest === guest.name);
  const metadataUrl = build.resources.metadata?.url;
  const memory = own?.memory ?? settings.memory;
  const vcpus = own?.vcpus ?? settings.vcpus;
  const hardware = pickHardware(settings, guest.image);
  Object.assign(guest, { booted: true, memory, vcpus, hardware });
  delete guest.trouble;
  await worker.hypervisor.boot(
    {
      name: guest.name,
      domain,
      clone: clone!,
      memory,
      vcpus,
      networks: settings.networks,
      ...hardware,
      owner: { controller: services.controller, build: build.id, attempt: build.attempt },
      ...(metadataUrl ? { metadataUrl } : {}),
      ...(settings.template ? { template: settings.template } : {}),
    },
    { signal },
  );
}

/** Waits for cloud-init to finish in a guest after the login. */
async function waitForCloudInit(boot: Boot, watched: AbortSignal): Promise<void> {
  const { build, guest, settings, services } = boot;
  if (settings.cloudInit === 0 || !guest.worker.bootsSystems) return;
  guest.cloudInitLimit = settings.cloudInit;
  boot.progress('cloudInit', { guest: guest.name });
  const signal = AbortSignal.any([boot.signal, watched]);
  const say = (line: string) => build.say(`${guest.name}: ${line}`);
  const end = await settleGuest(guest, services, { signal, say, onTrouble() {} }).catch((error) => {
    if (!watched.aborted) throw error;
    guest.fault = watched.reason as CiError;
    throw guest.fault;
  });
  if (end.ran) say(`cloud-init finished${end.hasWarnings ? ' with warnings' : ''} after ${formatSeconds(end.waited)}`);
}
