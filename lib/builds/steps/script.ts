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
import { inGuest } from './in-guest.ts';
import { Lines } from './lines.ts';

/** Milliseconds that guests whose connections were lost may hold up a step that may not need them. */
const REFRESH_LIMIT_MS = 60_000;

/** What an ssh-exec node is set to. */
export interface ScriptSettings {
  /** The node's name. */
  node: string;
  /** Guests by name; empty for all of the build. Not looked at where `host` is given. */
  guests: string[];
  /** A machine that is no guest. */
  host?: (signal: AbortSignal) => Promise<{ name: string; host: Host; release(): void }>;
  script: string;
  interpreter: string;
  /** Another user than the login's. */
  user?: string;
  env: Record<string, string>;
  /** Masked wherever they would show. */
  secrets: Record<string, string>;
  /** Milliseconds. */
  timeout: number;
  /** Whether its guest may reboot: then the step is over when it is logged in to again. */
  mayReboot?: boolean;
  /** Takes the output's lines as they come, and how many were dropped; missing where nobody listens. */
  onLines?: (lines: string[], dropped: number) => void;
}

interface Target {
  name: string;
  host: Host;
  /** Missing for a machine that is no guest. */
  guest?: Guest;
  release?(): void;
}

/** Runs the script on each of its targets at once; the first that fails decides. */
export async function scriptStep(
  context: StepContext,
  settings: ScriptSettings,
  services: Pick<Services, 'key' | 'patience'>,
): Promise<StepOutcome> {
  const { build, signal } = context;
  await refreshGuests(build, services, { signal, limit: REFRESH_LIMIT_MS });
  const targets = await findTargets(context, settings);
  build.log?.console.mask(Object.values(settings.secrets));
  const env = { ...build.env, ...settings.env, ...settings.secrets };
  // One that fails ends the others, and the step ends when all have.
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

/** One target's part of a step. */
interface TargetRun {
  target: Target;
  env: Record<string, string>;
  signal: AbortSignal;
  /** Aborts where another target failed. */
  sibling: AbortSignal;
}

async function runOn(
  { target, env, signal, sibling }: TargetRun,
  { build }: StepContext,
  settings: ScriptSettings,
  services: Pick<Services, 'key' | 'patience'>,
  among: boolean,
): Promise<StepOutcome> {
  // Several at once (guests, or branches of a fork): each one's lines stay whole, behind its name.
  const name = among ? target.name : settings.node;
  const several =
    build.log && (among || build.running.size > 1) ? new ConsoleSource(build.log.console, name) : undefined;
  const console = several ?? build.log?.console;
  const masker = new Masker();
  masker.add(Object.values(settings.secrets));
  const lines =
    settings.onLines && new Lines(settings.onLines, masker.active ? (line) => masker.whole(line) : undefined);
  const onOutput = (chunk: Buffer) => {
    lines?.write(chunk);
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
      ? await inGuest({ build, guest, services, signal, mayReboot: settings.mayReboot ?? false, work })
      : await work(target.host, signal);
  } catch (error) {
    if (sibling.aborted && !build.work.signal.aborted)
      return { result: 'ABORTED', message: `Stopped on ${target.name}: it failed on another guest.` };
    throw error;
  } finally {
    several?.end();
    lines?.flush();
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
  const how = signal === undefined ? `exit ${code}` : `signal ${signal}`;
  return {
    result: 'FAILURE',
    ...(code === undefined ? {} : { exitCode: code }),
    ...(signal ? { signal } : {}),
    message: `The script ended with ${how} on ${target}.`,
    payload,
  };
}
