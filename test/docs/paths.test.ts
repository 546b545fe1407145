/** Checks that the documentation names files and folders that exist. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'test/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** Folders of the repository whose files are named in full. */
const IN_REPOSITORY = /(?<![\w/.@-])(?:nodes|lib|flows|test|scripts|bench|docs)\/[\w./<>-]*/g;

/** Returns a path as it is on disk; `<type>` stands for any node type. */
const exists = (path: string): boolean => existsSync(join(root, path.replace('<type>', 'ci-jobs')));

/** Returns the paths that a page names: those of the repository, and targets of links relative to the page. */
function pathsIn(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link]) =>
    relative(root, join(root, dirname(page), link!)),
  );
  const plain = text
    .replaceAll(/\]\([^)]*\)/g, ']')
    .replaceAll(/&lt;/g, '<')
    .replaceAll(/&gt;/g, '>');
  const named = (plain.match(IN_REPOSITORY) ?? []).map((path) => path.replace(/[.]$/, ''));
  return [...new Set([...links, ...named])];
}

for (const page of PAGES) {
  test(`every path in ${page} exists`, () => {
    assert.deepEqual(
      pathsIn(page).filter((path) => !exists(path)),
      [],
    );
  });
}

test('a path that does not exist is noticed', () => {
  assert.ok(pathsIn('docs/architecture.md').includes('nodes/ci-jobs/node.ts'));
  assert.ok(pathsIn('docs/architecture.md').includes('lib/builds/supervisor.ts'));
  assert.ok(!exists('lib/builds/nothing.ts'));
});
