import { noSuchGuest, stepTimeUp } from '../../errors/build.ts';
import type { Guest } from '../../guests/guest.ts';
import { refreshGuests } from '../../guests/reconnect.ts';
import { ConsoleSource } from '../../logs/console-source.ts';
import { Masker } from '../../logs/mask.ts';
import { runScript } from '../../ssh/script.ts';
import type { Host } from '../../ssh/types.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';
import { runInGuest } from './in-guest.ts';
import { LineBatcher } from './line-batcher.ts';

/** Time that reconnecting to lost guests may delay a step that may not need them. */
const REFRESH_LIMIT_MS = 60_000;

/** Settings of an ssh-exec node. */
export interface ScriptSettings {
  /** The node's name. */
  node: string;
  /** Names of guests; empty for all of the build's. Ignored if `host` is given. */
  guests: string[];
  /** Connects to a machine that is not a guest. */
  host?: (signal: AbortSignal) => Promise<{ name: string; host: Host; release(): void }>;
  script: string;
  interpreter: string;
  /** User to run the script as, if not the login user. */
  user?: string;
  env: Record<string, string>;
  /** Environment variables whose values are masked in all output. */
  secrets: Record<string, string>;
  /** Timeout of the script in milliseconds. */
  timeout: number;
  /** Whether the script may reboot its guest: then the step ends after the login to the rebooted guest. */
  mayReboot?: boolean;
  /** Receives output lines as they come, and how many were dropped. */
  onLines?: (lines: string[], dropped: number) => void;
}

interface Target {
  name: string;
  host: Host;
  /** Missing for a machine that is not a guest. */
  guest?: Guest;
  release?(): void;
}

/**
 * Runs the script on all of its targets in parallel. The first failure is the step's result and stops the others.
 *
 * @throws CiError if a target cannot be used
 */
export async function scriptStep(
  context: StepContext,
  settings: ScriptSettings,
  services: Pick<Services, 'key' | 'reconnectTimeoutMs'>,
): Promise<StepOutcome> {
  const { build, signal } = context;
  await refreshGuests(build, services, { signal, limit: REFRESH_LIMIT_MS });
  const targets = await findTargets(context, settings);
  build.log?.console.mask(Object.values(settings.secrets));
  const env = { ...build.env, ...settings.env, ...settings.secrets };
  // A failure stops the other targets; the step ends when all have ended.
  const failed = new AbortController();
  const each = targets.map(async (target) => {
    try {
      const run = { target, env, signal: AbortSignal.any([signal, failed.signal]), sibling: failed.signal };
      const outcome = await runOn(run, context, settings, services, targets.length > 1);
      if (outcome.result !== 'SUCCESS') failed.abort();
      return outcome;
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
  const ended = await Promise.allSettled(each);
  const fault = ended.find((end) => end.status === 'rejected');
  if (fault) throw fault.reason;
  const outcomes = ended.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const decides = outcomes.find(({ result }) => result !== 'SUCCESS' && result !== 'ABORTED') ?? outcomes[0]!;
  return outcomes.length === 1
    ? decides
    : { ...decides, payload: { ...(decides.payload as object), guests: outcomes.map(({ payload }) => payload) } };
}

async function findTargets({ build, signal }: StepContext, settings: ScriptSettings): Promise<Target[]> {
  if (settings.host) return [await settings.host(signal)];
  const booted = [...build.resources.guests.values()].filter((guest) => guest.host);
  const names = settings.guests.length > 0 ? settings.guests : booted.map((guest) => guest.name);
  if (names.length === 0) throw noSuchGuest('*', []);
  return names.map((name) => {
    const guest = build.resources.guests.get(name);
    if (!guest?.host)
      throw noSuchGuest(
        name,
        booted.map((one) => one.name),
      );
    return { name, host: guest.host, guest };
  });
}

/** A run of the script on one target. */
interface TargetRun {
  target: Target;
  env: Record<string, string>;
  signal: AbortSignal;
  /** Aborts if another target failed. */
  sibling: AbortSignal;
}

async function runOn(
  { target, env, signal, sibling }: TargetRun,
  { build }: StepContext,
  settings: ScriptSettings,
  services: Pick<Services, 'key' | 'reconnectTimeoutMs'>,
  isParallel: boolean,
): Promise<StepOutcome> {
  // With several scripts at once (guests, or branches of a fork) each line gets the name of its source.
  const name = isParallel ? target.name : settings.node;
  const source =
    build.log && (isParallel || build.running.size > 1) ? new ConsoleSource(build.log.console, name) : undefined;
  const console = source ?? build.log?.console;
  const masker = new Masker();
  masker.add(Object.values(settings.secrets));
  const batcher =
    settings.onLines && new LineBatcher(settings.onLines, masker.active ? (line) => masker.whole(line) : undefined);
  const onOutput = (chunk: Buffer) => {
    batcher?.write(chunk);
    return console?.write(chunk);
  };
  const work = (host: Host, within: AbortSignal) =>
    runScript(
      host,
      {
        text: settings.script,
        interpreter: settings.interpreter,
        ...(settings.user ? { user: settings.user } : {}),
        env,
        timeout: settings.timeout,
      },
      { signal: within, onOutput },
    ).then((ran) => outcomeOf(ran, target.name, settings.timeout));
  const { guest } = target;
  try {
    return guest
      ? await runInGuest({ build, guest, services, signal, mayReboot: settings.mayReboot ?? false, work })
      : await work(target.host, signal);
  } catch (error) {
    if (sibling.aborted && !build.work.signal.aborted)
      return { result: 'ABORTED', message: `Stopped on ${target.name}, because it failed on another guest.` };
    throw error;
  } finally {
    source?.end();
    batcher?.flush();
    target.release?.();
  }
}

function outcomeOf(
  { code, signal, duration, timedOut }: Awaited<ReturnType<typeof runScript>>,
  target: string,
  limit: number,
): StepOutcome {
  const payload = { guest: target, exitCode: code, signal, duration };
  if (timedOut) return { result: 'TIMED_OUT', message: stepTimeUp(Math.round(limit / 1000)).message, payload };
  if (code === 0) return { result: 'SUCCESS', exitCode: 0, payload };
  const how = signal === undefined ? `exited with code ${code}` : `was ended by signal ${signal}`;
  return {
    result: 'FAILURE',
    ...(code === undefined ? {} : { exitCode: code }),
    ...(signal ? { signal } : {}),
    message: `${target}: the script ${how}.`,
    payload,
  };
}
