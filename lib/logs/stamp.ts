/** Characters of a stamp: `2026-11-22 15:57:01.123 | `. */
export const STAMP_LENGTH = 26;

/** Gives the stamp of the present millisecond, UTC; makes each once. `now` in milliseconds since the epoch. */
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

/** The stamp that a line of console.log begins with. */
export const STAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) \| /;
