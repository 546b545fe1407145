import { cloudInitFailed, cloudInitLate } from '../errors/build-guest.ts';
import { isLostSoon } from '../ssh/gone.ts';
import type { Host } from '../ssh/types.ts';
import { withTimeout } from '../util/abort.ts';
import { AWAIT_CLOUD_INIT, NO_CLOUD_INIT_EXIT_CODE } from './programs.ts';

/** Default time limit of cloud-init. */
export const DEFAULT_CLOUD_INIT_LIMIT_MINUTES = 10;

/** Limit of cloud-init's error output. */
const MAX_OUTPUT_BYTES = 16 * 1024;

const ARGV = ['/bin/sh', '-c', AWAIT_CLOUD_INIT];

/** How a guest's cloud-init ended. */
export interface CloudInitResult {
  /** Whether it runs at this boot. */
  ran: boolean;
  /** Milliseconds spent waiting. */
  waited: number;
  /** Whether it finished with recoverable errors. */
  hasWarnings: boolean;
}

/** How `whenReady` waits for cloud-init. */
export interface ReadyOptions {
  signal: AbortSignal;
  /** Milliseconds in total. */
  limit: number;
  /** Called with each line of cloud-init's error output. */
  say(line: string): void;
  /** Logs in again if the connection is lost: the guest may get another address, or cloud-init may reboot it. */
  logIn(signal: AbortSignal): Promise<Host>;
}

/**
 * Waits until a guest's cloud-init has finished: only then are its packages and files in place, and runcmd done.
 *
 * @param guest its name, for messages
 * @throws CiError if cloud-init failed, did not finish in time, or the guest cannot be logged in to again
 */
export async function whenReady(guest: string, host: Host, options: ReadyOptions): Promise<CloudInitResult> {
  const { signal, limit, say, logIn } = options;
  const began = performance.now();
  const late = () => cloudInitLate(guest, limit);
  return withTimeout(signal, limit, late, async (within) => {
    for (let at = host; ; at = await logIn(within)) {
      try {
        const { code, stdout } = await at.run(ARGV, { signal: within, timeout: limit, limit: MAX_OUTPUT_BYTES });
        // A guest that shuts down kills its processes by a signal (128 and more in a shell), then disconnects.
        if ((code === undefined || code > 128) && (await isLostSoon(at, within))) continue;
        const lines = stdout.split('\n').filter((line) => line.trim() !== '');
        for (const line of lines) say(`cloud-init: ${line}`);
        if (code !== 0 && code !== 2 && code !== NO_CLOUD_INIT_EXIT_CODE) throw cloudInitFailed(guest, code, lines);
        const waited = Math.round(performance.now() - began);
        return { ran: code !== NO_CLOUD_INIT_EXIT_CODE, waited, hasWarnings: code === 2 };
      } catch (error) {
        within.throwIfAborted();
        if (!at.gone.aborted) throw error;
      }
    }
  });
}
