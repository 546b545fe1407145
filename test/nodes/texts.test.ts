import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const files = (folder: string) =>
  readdirSync(join(root, folder)).filter((file) => file.endsWith('.ts') && file !== 'editor.ts');
/** The node types, which are names of folders. */
const TYPES = readdirSync(join(root, 'nodes')).filter((type) => existsSync(join(root, 'nodes', type, 'node.ts')));

/** Returns the text in a node type's locale, given a dotted key. */
const at = (type: string, key: string): unknown =>
  [type, ...key.split('.')].reduce<unknown>(
    (found, part) => (found as Record<string, unknown> | undefined)?.[part],
    JSON.parse(read('nodes', type, 'locale.json')),
  );

/** Returns the names of a text's placeholders. */
const placeholders = (text: unknown): string[] => [...String(text).matchAll(/__(\w+)__/g)].map((match) => match[1]!);

/** Returns the locale keys in a source text. */
const keysIn = (source: string): string[] => [...source.matchAll(/'(status\.\w+)'/g)].map((match) => match[1]!);

/** Nodes that are steps of a build, whose status the board shows. */
const STEPS = ['clone-image', 'metadata-server', 'virsh-boot', 'ssh-exec', 'publish-logs'];

test('every text that a node shows is in its own locale', () => {
  let count = 0;
  for (const type of TYPES) {
    for (const key of files(`nodes/${type}`).flatMap((file) => keysIn(read('nodes', type, file)))) {
      assert.equal(typeof at(type, key), 'string', `${key} of ${type}`);
      count += 1;
    }
  }
  assert.ok(count > 10, `${count} texts were found in nodes/`);
});

test('every text that the status board shows is in the locale of each type that it is shown for', () => {
  const keys = keysIn(read('nodes', 'shared', 'status-board.ts'));
  assert.ok(keys.includes('status.ready') && keys.includes('status.running'), keys.join());
  for (const key of keys) {
    if (at('ci-jobs', key) !== undefined) continue;
    for (const type of STEPS) assert.equal(typeof at(type, key), 'string', `${key} of ${type}`);
  }
  // An idle gerrit-review shows "ready" too.
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
  let count = 0;
  for (const [file, type] of Object.entries(types)) {
    for (const [, what, values] of read('lib', 'builds', 'steps', file).matchAll(
      /progress\('(\w+)'(?:,\s*\{([^}]*)\})?\)/g,
    )) {
      const found = at(type, `status.${what}`);
      assert.equal(typeof found, 'string', `status.${what} of ${type}`);
      for (const placeholder of placeholders(found))
        assert.match(values ?? '', new RegExp(`\\b${placeholder}\\b`), `${what} of ${type}`);
      count += 1;
    }
  }
  assert.ok(count >= 5, `${count} kinds of progress were found`);
});
