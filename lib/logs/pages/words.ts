const MINUTE = 60;
const HOUR = 60 * MINUTE;
const two = (value: number): string => String(value).padStart(2, '0');

/** A duration for people: `3 ms`, `0.8 s`, `12 s`, `2m 45s`, `1h 02m 03s`. Takes milliseconds. */
export function spell(milliseconds: number): string {
  if (milliseconds < 0 || !Number.isFinite(milliseconds)) return '–';
  if (milliseconds < 100) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)}m ${two(seconds % MINUTE)}s`;
  return `${Math.floor(seconds / HOUR)}h ${two(Math.floor((seconds % HOUR) / MINUTE))}m ${two(seconds % MINUTE)}s`;
}

/** A size for people: `312 B`, `1.4 KB`, `87 MB` (of 1000). */
export function spellSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = '';
  for (const next of ['KB', 'MB', 'GB', 'TB']) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A time for people: `2026-11-22 15:57:01 UTC`. */
export const spellTime = (iso: string): string => {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
};

const STEPS: [number, string][] = [
  [365 * 24 * HOUR, 'year'],
  [30 * 24 * HOUR, 'month'],
  [24 * HOUR, 'day'],
  [HOUR, 'hour'],
  [MINUTE, 'minute'],
];

/** How long ago: `just now`, `3 minutes ago`, `2 days ago`. */
export function spellAgo(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  for (const [length, word] of STEPS) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${word}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}

/** A number with thin groups: `100 000`. */
export const spellCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');
