/**
 * Writes the documentation that is generated from the code: `node scripts/docs.ts`. With `--check` nothing is written,
 * and a file that differs from what would be written is an error.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorsPage } from './docs/errors.ts';

/** The generated files, by their path in docs/. */
const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'errors.md': errorsPage,
};

const docs = join(import.meta.dirname, '..', 'docs');

const current = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

for (const [name, render] of Object.entries(PAGES)) {
  const path = join(docs, name);
  const text = await render();
  if (text === current(path)) continue;
  if (process.argv.includes('--check')) {
    console.error(`docs/${name} is out of date. Run: node scripts/docs.ts`);
    process.exitCode = 1;
  } else writeFileSync(path, text);
}
