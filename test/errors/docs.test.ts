import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { collectErrors, errorFunctionsIn, errorsPage } from '../../scripts/docs/errors.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ERRORS = join(ROOT, 'lib', 'errors');

/** Returns the text of each TypeScript file below a folder, by its path. */
const sourcesIn = (folder: string): [path: string, text: string][] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'utf8')]);

/** Codes as lib/errors spells them. */
const CODES = sourcesIn(ERRORS).flatMap(([, text]) =>
  [...text.matchAll(/'([a-z]+(?:-[a-z]+)*\/[a-z-]+)'/g)].map(([, code]) => code!),
);

test('docs/errors.md is what the generator makes', async () => {
  assert.equal(readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8'), await errorsPage());
});

test('every code of lib/errors has a section', () => {
  const page = readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8');
  assert.ok(CODES.length > 150, `${CODES.length} codes`);
  for (const code of CODES) assert.ok(page.includes(`### \`${code}\``), code);
});

test('the generator finds every exported function that returns an error', () => {
  const names = errorFunctionsIn(`
export const short = (): CiError => new CiError({});
export const long = (
  what: string,
  { a, b }: { a: string; b: number },
): CiError =>
  new CiError({});
export function declared(error: unknown): CiError {
  return error as CiError;
}
export const isFull = (text: string): boolean => text === '';
const notExported = (): CiError => new CiError({});
`);
  assert.deepEqual(names, ['short', 'long', 'declared']);
});

test('an error function without an example call is refused by its name', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'errors-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'new.ts'), 'export const added = (): CiError => undefined;\n');
  await assert.rejects(collectErrors(folder, {}), /new\.ts: added has no example call/);
});

test('a file is named after the prefix of its codes', async () => {
  for (const file of readdirSync(ERRORS)) {
    const codes = [...readFileSync(join(ERRORS, file), 'utf8').matchAll(/'([a-z-]+)\/[a-z-]+'/g)];
    const stem = file.replace('.ts', '');
    for (const [code, prefix] of codes) assert.ok(stem === prefix || stem.startsWith(`${prefix}-`), `${file}: ${code}`);
  }
});

test('nobody outside of lib/errors spells a code', () => {
  const wrong = [join(ROOT, 'lib'), join(ROOT, 'nodes')]
    .flatMap(sourcesIn)
    .filter(([path]) => !path.startsWith(ERRORS))
    .flatMap(([path, text]) => CODES.filter((code) => text.includes(`'${code}'`)).map((code) => `${path}: ${code}`));
  assert.deepEqual(wrong, []);
});

test('no message has a gap or a leftover of its template', async () => {
  for (const { code, message } of await collectErrors()) {
    assert.doesNotMatch(message, /undefined|NaN|\[object/, code);
    assert.doesNotMatch(message, /[\w)}]\.\.|\. \.| {2}/, code);
  }
});
