import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BACKENDS } from '../../lib/storage/backends.ts';
import * as download from '../../lib/storage/download/programs.ts';
import { EXIT, type Operation, storageCommand } from '../../lib/storage/programs.ts';
import { PROGRAM_TIMEOUT_MS } from '../../lib/storage/storage-host.ts';

const shell = (name: string): string => readFileSync(new URL(`../../lib/storage/${name}.sh`, import.meta.url), 'utf8');

/** The numbers that a shell file assigns, by name. */
const numbersIn = (text: string): Record<string, number> =>
  Object.fromEntries([...text.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));

/** `noImage` becomes `EXIT_NO_IMAGE`. */
const inShell = (codes: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(codes).map(([name, code]) => [`EXIT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`, code]),
  );

test('exit codes are the same in TypeScript and in the shell programs', () => {
  assert.deepEqual(numbersIn(shell('shell/exit-codes')), inShell(EXIT));
  assert.deepEqual(numbersIn(shell('download/shell/exit-codes')), inShell(download.FETCH_EXIT));
});

test('a program stops waiting for a lock before its own time limit', () => {
  const { lock_wait: lockWait = Number.NaN } = numbersIn(shell('shell/common'));
  assert(lockWait * 1000 < PROGRAM_TIMEOUT_MS);
});

test('every program is complete: the shell can parse it, and each exit code that it uses is defined', () => {
  const operations = 'has clone remove list open-draft fork-draft adopt discard images drop stuck'.split(' ');
  const kinds = Object.keys(BACKENDS) as (keyof typeof BACKENDS)[];
  const texts = [
    ...kinds.flatMap((kind) => operations.map((one) => storageCommand(kind, one as Operation, '/ci', [])[2]!)),
    ...Object.values(download).filter((text) => typeof text === 'string'),
  ];
  for (const text of texts) {
    const { status, stderr } = spawnSync('/bin/sh', ['-n'], { input: text, encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    const defined = numbersIn(text);
    for (const [, name] of text.matchAll(/\$(EXIT_\w+)/g)) assert(name! in defined, name);
  }
});
