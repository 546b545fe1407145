import type { Running } from '../types.ts';

/** Closes a running command if the signal aborts before it has ended. Leaves no listener behind. */
export function closeOn(signal: AbortSignal | undefined, running: Running): void {
  if (signal === undefined) return;
  if (signal.aborted) running.close();
  signal.addEventListener('abort', running.close, { once: true });
  running.exit.catch(() => {}).finally(() => signal.removeEventListener('abort', running.close));
}
