/** Durations, sizes, times and counts as text for people. */

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 60 * MINUTE_SECONDS;
const DAY_SECONDS = 24 * HOUR_SECONDS;
const GIB_BYTES = 2 ** 30;

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** Returns `2m 45s` or `1h 02m 03s` for whole seconds from a minute on. */
function minutesAndHours(seconds: number): string {
  const [minutes, rest] = [Math.floor(seconds / MINUTE_SECONDS) % 60, twoDigits(seconds % MINUTE_SECONDS)];
  if (seconds < HOUR_SECONDS) return `${minutes}m ${rest}s`;
  return `${Math.floor(seconds / HOUR_SECONDS)}h ${twoDigits(minutes)}m ${rest}s`;
}

/** Returns a duration in milliseconds to be read at a glance: `3 ms`, `0.8 s`, `12 s`, `2m 45s`, `1h 02m 03s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0 || !Number.isFinite(milliseconds)) return '–';
  if (milliseconds < 100) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return seconds < MINUTE_SECONDS ? `${seconds} s` : minutesAndHours(seconds);
}

/**
 * Returns a duration in milliseconds as Zuul writes it, which Gerrit's results table reads: `12s`, `2m 45s`, `1h 02m
 * 03s`.
 */
export function formatZuulDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000)) || 0;
  return seconds < MINUTE_SECONDS ? `${seconds}s` : minutesAndHours(seconds);
}

/** Returns a duration in milliseconds as a stopwatch shows it, whole seconds begun: `0:07`, `12:30`. */
export function formatStopwatch(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / MINUTE_SECONDS)}:${twoDigits(seconds % MINUTE_SECONDS)}`;
}

/** Returns milliseconds in seconds with at most one decimal: `0.5 s`, `300 s`. */
export const formatSeconds = (milliseconds: number): string => `${Math.round(milliseconds / 100) / 10} s`;

/** Returns milliseconds in minutes with at most two decimals, as limits are configured: 0.5, 90. */
export const roundMinutes = (milliseconds: number): number => Number((milliseconds / 60_000).toFixed(2));

/** Returns a number of bytes in decimal units: `312 B`, `1.4 KB`, `87 MB`. */
export function formatSize(bytes: number): string {
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

/** Returns a number of bytes in GiB, as disks are configured, with at most two decimals: `0.35 GiB`, `10 GiB`. */
export const formatGib = (bytes: number): string => `${Math.round((bytes / GIB_BYTES) * 100) / 100} GiB`;

/** Returns an ISO 8601 time as `2026-11-22 15:57:01 UTC`; a text that is not a time comes back as it is. */
export const formatTime = (iso: string): string => {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
};

const AGO_UNITS: readonly (readonly [seconds: number, word: string])[] = [
  [365 * DAY_SECONDS, 'year'],
  [30 * DAY_SECONDS, 'month'],
  [DAY_SECONDS, 'day'],
  [HOUR_SECONDS, 'hour'],
  [MINUTE_SECONDS, 'minute'],
];

/** Returns how long before `now` (milliseconds since the epoch) an ISO 8601 time was: `just now`, `3 minutes ago`. */
export function formatAgo(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  for (const [length, word] of AGO_UNITS) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${word}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}

/** Returns a whole number in groups of three, separated by narrow no-break spaces: `100 000`. */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** Returns a place in a queue, counted from 1: `1st`, `2nd`, `3rd`, `4th`, `11th`. */
export function formatOrdinal(place: number): string {
  const isTeen = Math.floor((place % 100) / 10) === 1;
  const ending = isTeen ? undefined : { 1: 'st', 2: 'nd', 3: 'rd' }[place % 10];
  return `${place}${ending ?? 'th'}`;
}
