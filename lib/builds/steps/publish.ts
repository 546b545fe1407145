import { guestRebooted } from '../../errors/build-guest.ts';
import { fetchTooLong, postFailed } from '../../errors/build-report.ts';
import { messageOf, toCiError } from '../../errors/ci-error.ts';
import { hasRebooted, reconnect } from '../../guests/reconnect.ts';
import type { Fetched, FetchRow } from '../../logs/types.ts';
import { withTimeout } from '../../util/abort.ts';
import type { Guest } from '../resources.ts';
import type { Services } from '../services.ts';
import type { StepOutcome } from '../types.ts';
import type { StepContext } from './step.ts';

/** What a publish-logs node fetches. */
export interface PublishSettings {
  /** `guest` empty: every guest. */
  files: { guest: string; path: string; dir: string }[];
}

/**
 * Milliseconds for reaching a guest again whose connection was lost: of a build that failed its logs may tell why; of one
 * that did not, whether it rebooted decides the result.
 */
const REACH = 30_000;
const DECIDE = 120_000;

/** Milliseconds for one guest's files: one that sends a byte now and then must not hold its slot for ever. */
const FETCH = 3600_000;

/**
 * Fetches the files asked for from the build's guests into its log folder. A guest that rebooted behind the last script,
 * which no script was allowed to do, is FAILURE as within a step.
 */
export async function publishStep(
  { build, signal, progress }: StepContext,
  settings: PublishSettings,
  services: Pick<Services, 'key' | 'patience'>,
): Promise<StepOutcome> {
  let files = 0;
  const missing: string[] = [];
  const faults: string[] = [];
  const rebooted: string[] = [];
  let disk: StepOutcome | undefined;
  const { log } = build;
  for (const guest of build.resources.guests.values()) {
    if (!guest.host) continue;
    const rows = settings.files
      .filter((row) => log && row.path !== '' && (row.guest === '' || row.guest === guest.name))
      .map((row) => ({ remote: row.path, dir: row.dir }));
    if (rows.length > 0) progress('fetching', { guest: guest.name });
    try {
      const fetched = await fetchFrom(guest, rows);
      files += fetched.files;
      missing.push(...fetched.missing.map((path) => `${guest.name}:${path}`));
    } catch (error) {
      // Nothing is wanted of it.
      if (rows.length === 0) continue;
      const fault = toCiError(error, `logs of ${guest.name}`);
      if (fault.result === 'DISK_FULL') disk = { result: 'DISK_FULL', message: fault.message };
      faults.push(`${guest.name}: ${messageOf(error)}`);
    }
  }
  try {
    // The end of a console that fits into a buffer fails after the script that wrote it has passed.
    await log?.console.saved();
  } catch (error) {
    const fault = toCiError(error, 'the console');
    if (fault.result === 'DISK_FULL') disk ??= { result: 'DISK_FULL', message: fault.message };
    else faults.push(fault.message);
  }
  for (const path of missing) build.say(`publish-logs: ${path} is not there`);
  const payload = { url: log?.url, files, missing };
  const lost = faults.length > 0 ? postFailed(faults.join('; ')).message : undefined;
  if (rebooted.length > 0)
    return { result: 'FAILURE', message: [...rebooted, lost].filter(Boolean).join(' '), payload };
  if (disk) return { ...disk, payload };
  if (lost !== undefined) return { result: 'POST_FAILURE', message: lost, payload };
  return { result: 'SUCCESS', payload };

  /** Once more where the guest goes down meanwhile: a reboot that its last script asked for comes a moment later. */
  async function fetchFrom(guest: Guest, rows: FetchRow[]): Promise<Pick<Fetched, 'files' | 'missing'>> {
    const limit = build.result === undefined ? (services.patience ?? DECIDE) : REACH;
    for (let tries = 1; ; tries += 1) {
      await reconnect(guest, services, { signal, limit });
      if (hasRebooted(guest) && !guest.mayReboot) rebooted.push(guestRebooted(guest.name).message);
      if (!log || rows.length === 0) return { files: 0, missing: [] };
      const host = guest.host!;
      const late = () => fetchTooLong(guest.name, FETCH / 60_000);
      try {
        return await withTimeout(signal, FETCH, late, (within) =>
          log.fetch(host, rows, guest.name, { signal: within }),
        );
      } catch (error) {
        if (tries > 1 || signal.aborted || !host.gone.aborted) throw error;
      }
    }
  }
}
