/** Characters in a stamp: `2026-11-22 15:57:01.123 | `. */
export const STAMP_CHARS = 26;

/**
 * Returns a function that returns the stamp of the current millisecond in UTC.
 *
 * @param now milliseconds since the epoch
 */
export function stamper(now: () => number = Date.now): () => string {
  let at = Number.NaN;
  let stamp = '';
  return () => {
    const time = now();
    if (time !== at) {
      at = time;
      stamp = `${new Date(time).toISOString().replace('T', ' ').slice(0, 23)} | `;
    }
    return stamp;
  };
}

/** The stamp at the beginning of a line of console.log. */
export const STAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) \| /;
