import { fetchTooLong, postFailed } from '../../errors/build.ts';
import { messageOf, toCiError } from '../../errors/ci-error.ts';
import { limited } from '../../storage/until.ts';
import { reach } from '../reach.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** What a publish-logs node fetches. */
export interface PublishSettings {
  /** `guest` empty: every guest. */
  files: { guest: string; path: string; dir: string }[];
}

/** Milliseconds for reaching a guest again whose connection was lost: its logs may tell why. */
const REACH = 30_000;

/** Milliseconds for one guest's files: one that sends a byte now and then must not hold its slot for ever. */
const FETCH = 3600_000;

/** Fetches the files asked for from the build's guests into its log folder. */
export async function publishStep(
  { build, signal, progress }: StepContext,
  settings: PublishSettings,
  services: Pick<Services, 'key'>,
): Promise<StepOutcome> {
  let files = 0;
  const missing: string[] = [];
  const faults: string[] = [];
  let disk: StepOutcome | undefined;
  for (const guest of build.lease.guests.values()) {
    const rows = settings.files
      .filter((row) => row.path !== '' && (row.guest === '' || row.guest === guest.name))
      .map((row) => ({ remote: row.path, dir: row.dir }));
    if (!build.log || !guest.host || rows.length === 0) continue;
    progress('fetching', { guest: guest.name });
    try {
      await reach(guest, services, { signal, limit: REACH });
      const { log } = build;
      const { host } = guest;
      const late = () => fetchTooLong(guest.name, FETCH / 60_000);
      const fetched = await limited(signal, FETCH, late, (within) =>
        log.fetch(host, rows, guest.name, { signal: within }),
      );
      files += fetched.files;
      missing.push(...fetched.missing.map((path) => `${guest.name}:${path}`));
    } catch (error) {
      const fault = toCiError(error, `logs of ${guest.name}`);
      if (fault.result === 'DISK_FULL') disk = { result: 'DISK_FULL', message: fault.message };
      faults.push(`${guest.name}: ${messageOf(error)}`);
    }
  }
  for (const path of missing) build.say(`publish-logs: ${path} is not there`);
  const payload = { url: build.log?.url, files, missing };
  if (disk) return { ...disk, payload };
  if (faults.length > 0) return { result: 'POST_FAILURE', message: postFailed(faults.join('; ')).message, payload };
  return { result: 'SUCCESS', payload };
}
