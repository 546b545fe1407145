import { cloudInitFailed, cloudInitLate } from '../errors/build-guest.ts';
import { isLostSoon } from '../ssh/gone.ts';
import type { Host } from '../ssh/types.ts';
import { withTimeout } from '../util/abort.ts';
import { AWAIT_CLOUD_INIT, NO_CLOUD_INIT } from './programs.ts';

/** Minutes that cloud-init may take, unless it is set otherwise. */
export const CLOUD_INIT_MINUTES = 10;

/** Bytes of what cloud-init says of its errors. */
const SAID_BYTES = 16 * 1024;

const ARGV = ['/bin/sh', '-c', AWAIT_CLOUD_INIT];

/** How the guest's cloud-init ended. */
export interface CloudInitEnd {
  /** Whether there was one to wait for. */
  ran: boolean;
  /** Milliseconds that it was waited for. */
  waited: number;
  /** Whether it got over errors. */
  hasWarnings: boolean;
}

export interface ReadyOptions {
  signal: AbortSignal;
  /** Milliseconds for all of it. */
  limit: number;
  /** Takes what cloud-init says of its errors, line by line. */
  say(line: string): void;
  /** Logs in again, if the connection is lost: the guest may get another address, or cloud-init may reboot it. */
  logIn(signal: AbortSignal): Promise<Host>;
}

/**
 * Waits until a guest's cloud-init has finished: packages, runcmd and late files are there only then.
 *
 * @param guest its name, for messages
 * @throws CiError if cloud-init failed or is not done in time, or why the guest cannot be logged in to again
 */
export async function whenReady(guest: string, host: Host, options: ReadyOptions): Promise<CloudInitEnd> {
  const { signal, limit, say, logIn } = options;
  const began = performance.now();
  const late = () => cloudInitLate(guest, limit);
  return withTimeout(signal, limit, late, async (within) => {
    for (let at = host; ; at = await logIn(within)) {
      try {
        const { code, stdout } = await at.run(ARGV, { signal: within, timeout: limit, limit: SAID_BYTES });
        // A guest that goes down ends what runs in it by a signal (128 and more, as a shell tells it), then its connection.
        if ((code === undefined || code > 128) && (await isLostSoon(at, within))) continue;
        const lines = stdout.split('\n').filter((line) => line.trim() !== '');
        for (const line of lines) say(`cloud-init: ${line}`);
        if (code !== 0 && code !== 2 && code !== NO_CLOUD_INIT) throw cloudInitFailed(guest, code, lines);
        const waited = Math.round(performance.now() - began);
        return { ran: code !== NO_CLOUD_INIT, waited, hasWarnings: code === 2 };
      } catch (error) {
        within.throwIfAborted();
        if (!at.gone.aborted) throw error;
      }
    }
  });
}
