import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatAgo,
  formatCount,
  formatDuration,
  formatGib,
  formatOrdinal,
  formatSeconds,
  formatSize,
  formatStopwatch,
  formatTime,
  formatZuulDuration,
  roundMinutes,
} from '../../lib/util/format.ts';

test('a duration in a report is written as Zuul writes it', () => {
  const shown: [number, string][] = [
    [0, '0s'],
    [12_400, '12s'],
    [59_999, '1m 00s'],
    [165_000, '2m 45s'],
    [1_800_000, '30m 00s'],
    [3_723_000, '1h 02m 03s'],
    [360_000_000, '100h 00m 00s'],
    [-5, '0s'],
    [Number.NaN, '0s'],
  ];
  for (const [duration, words] of shown) assert.equal(formatZuulDuration(duration), words);
});

test('a duration has a unit that fits its length', () => {
  const shown: [number, string][] = [
    [3, '3 ms'],
    [99.6, '100 ms'],
    [840, '0.8 s'],
    [9949, '9.9 s'],
    [12_400, '12 s'],
    [59_600, '1m 00s'],
    [3_723_000, '1h 02m 03s'],
    [-1, '–'],
    [Number.NaN, '–'],
  ];
  for (const [duration, words] of shown) assert.equal(formatDuration(duration), words);
  assert.deepEqual([500, 12_000, 300_000].map(formatSeconds), ['0.5 s', '12 s', '300 s']);
  assert.deepEqual([0, 7999, 750_000].map(formatStopwatch), ['0:00', '0:07', '12:30']);
});

test('a limit is in minutes with at most two decimals', () => {
  const shown = [30_000, 90_000, 5_400_000, 100].map(roundMinutes);
  assert.deepEqual(shown, [0.5, 1.5, 90, 0]);
});

test('a size has one unit and at most three digits', () => {
  const shown: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1400, '1.4 KB'],
    [9_960, '10 KB'],
    [999_600, '1.0 MB'],
    [87_000_000, '87 MB'],
    [5e15, '5000 TB'],
  ];
  for (const [bytes, words] of shown) assert.equal(formatSize(bytes), words);
  assert.deepEqual(
    [0.351, 10, 65536].map((gib) => formatGib(gib * 2 ** 30)),
    ['0.35 GiB', '10 GiB', '65536 GiB'],
  );
});

test('a time is in UTC, and how long ago it was is in one unit', () => {
  assert.equal(formatTime('2026-11-22T16:57:01.123+01:00'), '2026-11-22 15:57:01 UTC');
  assert.equal(formatTime('yesterday'), 'yesterday');
  const start = '2026-11-22T15:57:01Z';
  const after = (seconds: number) => formatAgo(start, Date.parse(start) + seconds * 1000);
  assert.deepEqual([5, 60, 7199, 86_400 * 2, 86_400 * 800].map(after), [
    'just now',
    '1 minute ago',
    '1 hour ago',
    '2 days ago',
    '2 years ago',
  ]);
});

test('a long number is grouped in threes', () => {
  assert.deepEqual([7, 1000, 1234567].map(formatCount), ['7', '1\u202f000', '1\u202f234\u202f567']);
});

test('a place in a queue is written as people say it', () => {
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(formatOrdinal), [
    ...['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '101st', '111th'],
  ]);
});
