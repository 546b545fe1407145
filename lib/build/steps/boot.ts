import { bootFailed, nothingToBoot, notUpInTime } from '../../errors/build.ts';
import { CiError, messageOf } from '../../errors/ci-error.ts';
import { hardwareAdvice } from '../../errors/hardware.ts';
import { isWorkerFull } from '../../errors/worker.ts';
import { pickHardware } from '../../worker/hardware.ts';
import type { Hardware, Network } from '../../worker/types.ts';
import type { Build } from '../build.ts';
import type { Guest } from '../lease.ts';
import { enterGuest } from '../reach.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';
import { lastLines } from './last-lines.ts';

/** What a virsh-boot node is set to; virtual hardware that it says nothing of is as each guest's image needs it. */
export interface BootSettings extends Hardware {
  /** MiB. */
  memory: number;
  vcpus: number;
  networks: Network[];
  /** Guests that differ. */
  guests: { guest: string; memory?: number; vcpus?: number }[];
  /** Milliseconds until a login must have worked. */
  timeout: number;
  /** Template of the whole domain; missing: the shipped one. */
  template?: string;
}

/** Boots all guests that are cloned and not booted, in parallel, and waits until each lets us in. */
export async function bootStep(context: StepContext, settings: BootSettings, services: Services): Promise<StepOutcome> {
  const { build } = context;
  const guests = [...build.lease.guests.values()].filter((guest) => guest.clone && !guest.booted);
  if (guests.length === 0) throw nothingToBoot();
  const names = guests.map((guest) => guest.name).join(', ');
  const late = AbortSignal.timeout(settings.timeout);
  // One that fails ends the wait for the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, late, failed.signal]);
  context.progress('booting', { guests: names });
  // The step ends when all have: one that goes on to boot would be missed by the end of the build.
  const ended = await Promise.allSettled(
    guests.map(async (guest) => {
      try {
        await bootGuest(build, guest, settings, services, signal, () =>
          context.progress('login', { guest: guest.name }),
        );
      } catch (error) {
        const sibling = failed.signal.aborted;
        failed.abort(error);
        if (context.signal.aborted) throw context.signal.reason;
        if (sibling) return;
        // Whatever else: what a person is to mend.
        if (isWorkerFull(error)) throw error;
        const died = error instanceof CiError && error.code === 'worker/guest-died';
        if (error instanceof CiError && !died && !late.aborted) throw error;
        const lines = await consoleEnd(guest);
        const advice = hardwareAdvice(lines, guest.hardware?.firmware);
        const last = lines.at(-1) ?? '';
        if (late.aborted) {
          const why = notUpInTime(settings.timeout / 1000, guest.trouble, last, advice);
          throw bootFailed(guest.name, guest.worker.label, why, last);
        }
        // One that died tells the end of its console itself.
        const why = [messageOf(error), ...(lines.length > 0 && advice ? [advice] : [])].join(' ');
        throw bootFailed(guest.name, guest.worker.label, why, died ? '' : last);
      }
    }),
  );
  const fault = ended.find((end) => end.status === 'rejected');
  if (fault) throw fault.reason;
  services.room.noteBoot(guests[0]!.worker);
  const payload = Object.fromEntries(guests.map((guest) => [guest.name, guest.address?.host]));
  return { result: 'SUCCESS', payload };
}

async function bootGuest(
  build: Build,
  guest: Guest,
  settings: BootSettings,
  services: Services,
  signal: AbortSignal,
  onAddress: () => void,
): Promise<void> {
  const { worker, domain, clone } = guest;
  const own = settings.guests.find((row) => row.guest === guest.name);
  const metadataUrl = build.lease.metadata?.url;
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
  const address = await worker.hypervisor.address(domain, { signal });
  guest.address = address;
  guest.trouble = 'no answer';
  onAddress();
  await enterGuest(guest, services, {
    signal,
    onTrouble: (why) => {
      guest.trouble = why;
    },
  });
  if (guest.addressEnv) build.env[guest.addressEnv] = address.host;
  const blind = worker.giveHostKeys && guest.papers?.hostKey === undefined;
  build.say(`${guest.name}: up at ${address.host}${blind ? ', its SSH host key believed as it came' : ''}`);
}

/** Lines of a guest's console that are looked at for why it did not come up: a kernel's last words are many. */
const CONSOLE_LINES = 100;

/** The end of a guest's console. */
async function consoleEnd(guest: Guest): Promise<string[]> {
  try {
    const console = await guest.worker.hypervisor.console(guest.domain, { signal: AbortSignal.timeout(5_000) });
    return console ? await lastLines(console, CONSOLE_LINES) : [];
  } catch {
    return [];
  }
}
