import { guestRebooted } from '../../errors/build-guest.ts';
import { fetchTooLong, postFailed } from '../../errors/build-report.ts';
import { messageOf, toCiError } from '../../errors/ci-error.ts';
import type { Guest } from '../../guests/guest.ts';
import { hasRebooted, reconnect } from '../../guests/reconnect.ts';
import type { Fetched, FetchRow } from '../../logs/types.ts';
import { withTimeout } from '../../util/abort.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What a publish-logs node fetches from guests. */
export interface PublishSettings {
  /** An empty `guest` means every guest. */
  files: { guest: string; path: string; dir: string }[];
}

/**
 * Timeouts for reconnecting to a guest. It is only for its logs if the build has failed; otherwise whether it rebooted
 * decides the result.
 */
const RECONNECT_AFTER_FAILURE_TIMEOUT_MS = 30_000;
const RECONNECT_TIMEOUT_MS = 120_000;

/** Timeout for one guest's files: a guest that sends them very slowly must not hold its slot indefinitely. */
const FETCH_TIMEOUT_MS = 3600_000;

/**
 * Fetches files from the build's guests into its log folder. The result is FAILURE if a guest rebooted after its last
 * script without being allowed to, as it is during a step.
 */
export async function publishStep(
  { build, signal, progress }: StepContext,
  settings: PublishSettings,
  services: Pick<Services, 'key' | 'reconnectTimeoutMs'>,
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
      // No files are fetched from it.
      if (rows.length === 0) continue;
      const fault = toCiError(error, `logs of ${guest.name}`);
      if (fault.result === 'DISK_FULL') disk = { result: 'DISK_FULL', message: fault.message };
      faults.push(`${guest.name}: ${messageOf(error)}`);
    }
  }
  try {
    // Buffered console output may fail to be written after its script has passed.
    await log?.console.saved();
  } catch (error) {
    const fault = toCiError(error, 'the console');
    if (fault.result === 'DISK_FULL') disk ??= { result: 'DISK_FULL', message: fault.message };
    else faults.push(fault.message);
  }
  for (const path of missing) build.say(`publish-logs: ${path} does not exist`);
  const payload = { url: log?.url, files, missing };
  const lost = faults.length > 0 ? postFailed(faults.join('; ')).message : undefined;
  if (rebooted.length > 0)
    return { result: 'FAILURE', message: [...rebooted, lost].filter(Boolean).join(' '), payload };
  if (disk) return { ...disk, payload };
  if (lost !== undefined) return { result: 'POST_FAILURE', message: lost, payload };
  return { result: 'SUCCESS', payload };

  /** Fetches again if the guest goes down meanwhile: it may reboot only a moment after the script that asked for it. */
  async function fetchFrom(guest: Guest, rows: FetchRow[]): Promise<Pick<Fetched, 'files' | 'missing'>> {
    const limit =
      build.result === undefined
        ? (services.reconnectTimeoutMs ?? RECONNECT_TIMEOUT_MS)
        : RECONNECT_AFTER_FAILURE_TIMEOUT_MS;
    for (let tries = 1; ; tries += 1) {
      await reconnect(guest, services, { signal, limit });
      if (hasRebooted(guest) && !guest.mayReboot) rebooted.push(guestRebooted(guest.name).message);
      if (!log || rows.length === 0) return { files: 0, missing: [] };
      const host = guest.host!;
      const late = () => fetchTooLong(guest.name, FETCH_TIMEOUT_MS / 60_000);
      try {
        return await withTimeout(signal, FETCH_TIMEOUT_MS, late, (within) =>
          log.fetch(host, rows, guest.name, { signal: within }),
        );
      } catch (error) {
        if (tries > 1 || signal.aborted || !host.gone.aborted) throw error;
      }
    }
  }
}
