import { guestLost, noSuchGuest, stepTimeUp } from '../../errors/build.ts';
import { Masker } from '../../logs/mask.ts';
import { runScript } from '../../ssh/script.ts';
import type { Host } from '../../ssh/types.ts';
import { Lines } from '../lines.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What an ssh-exec node is set to. */
export interface ScriptSettings {
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
  /** Takes the output's lines as they come, and how many were dropped; missing where nobody listens. */
  onLines?: (lines: string[], dropped: number) => void;
}

interface Target {
  name: string;
  host: Host;
  guest: boolean;
  release?(): void;
}

/** Runs the script on each of its targets at once; the first that fails decides. */
export async function scriptStep(context: StepContext, settings: ScriptSettings): Promise<StepOutcome> {
  const { build, signal } = context;
  const targets = await findTargets(context, settings);
  build.log?.console.mask(Object.values(settings.secrets));
  const env = { ...build.env, ...settings.env, ...settings.secrets };
  // One that fails ends the others: its result is the step's.
  const failed = new AbortController();
  const outcomes = await Promise.all(
    targets.map(async (target): Promise<StepOutcome> => {
      const outcome = await runOn(
        target,
        context,
        settings,
        env,
        AbortSignal.any([signal, failed.signal]),
        failed.signal,
      );
      if (outcome.result !== 'SUCCESS') failed.abort();
      return outcome;
    }),
  );
  return outcomes.find((outcome) => outcome.result !== 'SUCCESS' && outcome.result !== 'ABORTED') ?? outcomes[0]!;
}

async function findTargets({ build, signal }: StepContext, settings: ScriptSettings): Promise<Target[]> {
  if (settings.host) return [{ ...(await settings.host(signal)), guest: false }];
  const booted = [...build.lease.guests.values()].filter((guest) => guest.host);
  const names = settings.guests.length > 0 ? settings.guests : booted.map((guest) => guest.name);
  if (names.length === 0) throw noSuchGuest('*', []);
  return names.map((name) => {
    const host = build.lease.guests.get(name)?.host;
    if (!host)
      throw noSuchGuest(
        name,
        booted.map((guest) => guest.name),
      );
    return { name, host, guest: true };
  });
}

async function runOn(
  target: Target,
  { build }: StepContext,
  settings: ScriptSettings,
  env: Record<string, string>,
  signal: AbortSignal,
  sibling: AbortSignal,
): Promise<StepOutcome> {
  const console = build.log?.console;
  const masker = new Masker();
  masker.add(Object.values(settings.secrets));
  const lines =
    settings.onLines && new Lines(settings.onLines, masker.active ? (line) => masker.whole(line) : undefined);
  try {
    const {
      code,
      signal: ended,
      duration,
      timedOut,
    } = await runScript(
      target.host,
      {
        text: settings.script,
        interpreter: settings.interpreter,
        ...(settings.user ? { user: settings.user } : {}),
        env,
        timeout: settings.timeout,
      },
      {
        signal,
        onOutput: (chunk) => {
          lines?.write(chunk);
          return console?.write(chunk);
        },
      },
    );
    const payload = { guest: target.name, exitCode: code, signal: ended, duration };
    if (timedOut) {
      const late = stepTimeUp(Math.round(settings.timeout / 1000));
      build.say(late.message);
      return { result: 'TIMED_OUT', message: late.message, payload };
    }
    if (code === 0) return { result: 'SUCCESS', exitCode: 0, payload };
    const how = ended === undefined ? `exit ${code}` : `signal ${ended}`;
    return {
      result: 'FAILURE',
      ...(code === undefined ? {} : { exitCode: code }),
      ...(ended ? { signal: ended } : {}),
      message: `The script ended with ${how} on ${target.name}.`,
      payload,
    };
  } catch (error) {
    if (sibling.aborted && !build.work.signal.aborted)
      return { result: 'ABORTED', message: `Stopped on ${target.name}: it failed on another guest.` };
    if (target.guest && target.host.gone.aborted && !signal.aborted) throw guestLost(target.name);
    throw error;
  } finally {
    lines?.flush();
    target.release?.();
  }
}
