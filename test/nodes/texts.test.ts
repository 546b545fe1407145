import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const files = (folder: string) =>
  readdirSync(join(root, folder)).filter((file) => file.endsWith('.ts') && file !== 'editor.ts');
/** Node types, each of which has a folder. */
const TYPES = readdirSync(join(root, 'nodes')).filter((type) => existsSync(join(root, 'nodes', type, 'node.ts')));

/** A locale's text at a dotted key. */
const at = (type: string, key: string): unknown =>
  [type, ...key.split('.')].reduce<unknown>(
    (found, part) => (found as Record<string, unknown> | undefined)?.[part],
    JSON.parse(read('nodes', type, 'locale.json')),
  );

/** Values that a text wants to be filled with. */
const holes = (text: unknown): string[] => [...String(text).matchAll(/__(\w+)__/g)].map((match) => match[1]!);

/** Keys that a program names. */
const keysIn = (source: string): string[] => [...source.matchAll(/'(status\.\w+)'/g)].map((match) => match[1]!);

/** Nodes that are a step of a build: the board shows how they do. */
const STEPS = ['clone-image', 'metadata-server', 'virsh-boot', 'ssh-exec', 'publish-logs'];

test('every text that a node shows is in its own locale', () => {
  let asked = 0;
  for (const type of TYPES) {
    for (const key of files(`nodes/${type}`).flatMap((file) => keysIn(read('nodes', type, file)))) {
      assert.equal(typeof at(type, key), 'string', `${key} of ${type}`);
      asked += 1;
    }
  }
  assert.ok(asked > 10, `${asked} texts were found in nodes/`);
});

test('every text that the status board shows is in the locale of each type that it is shown for', () => {
  const keys = keysIn(read('nodes', 'shared', 'status-board.ts'));
  assert.ok(keys.includes('status.ready') && keys.includes('status.running'), keys.join());
  for (const key of keys) {
    if (at('ci-jobs', key) !== undefined) continue;
    for (const type of STEPS) assert.equal(typeof at(type, key), 'string', `${key} of ${type}`);
  }
  // Also a gerrit-review rests as ready.
  assert.equal(typeof at('gerrit-review', 'status.ready'), 'string');
});

test('shared files use no text key that is missing in all locales', () => {
  for (const file of files('nodes/shared')) {
    for (const [, key] of read('nodes', 'shared', file).matchAll(/'((?:status|button)\.\w+)'/g))
      assert.ok(
        TYPES.some((type) => typeof at(type, key!) === 'string'),
        `${key} in ${file}`,
      );
  }
});

test('each kind of progress has a text, and the values for its placeholders', () => {
  const types: Record<string, string> = {
    'clone.ts': 'clone-image',
    'metadata.ts': 'metadata-server',
    'boot.ts': 'virsh-boot',
    'script.ts': 'ssh-exec',
    'publish.ts': 'publish-logs',
  };
  let said = 0;
  for (const [file, type] of Object.entries(types)) {
    for (const [, what, values] of read('lib', 'builds', 'steps', file).matchAll(
      /progress\('(\w+)'(?:,\s*\{([^}]*)\})?\)/g,
    )) {
      const found = at(type, `status.${what}`);
      assert.equal(typeof found, 'string', `status.${what} of ${type}`);
      for (const hole of holes(found)) assert.match(values ?? '', new RegExp(`\\b${hole}\\b`), `${what} of ${type}`);
      said += 1;
    }
  }
  assert.ok(said >= 5, `${said} kinds of progress were found`);
});
