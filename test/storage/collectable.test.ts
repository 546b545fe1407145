import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectable, type StoredImage } from '../../lib/storage/collectable.ts';

const base: StoredImage = { kind: 'image', id: 'base@1' };
const child: StoredImage = { kind: 'image', id: 'child@1', of: 'base@1' };
const grandchild: StoredImage = { kind: 'draft', id: 'grand@1', of: 'child@1' };
const old: StoredImage = { kind: 'image', id: 'base@0' };
const ids = (keep: string[], stored = [base, child, grandchild, old]) => collectable(stored, keep).map(({ id }) => id);

test('what is kept keeps all that it is made of', () => {
  assert.deepEqual(ids(['grand@1']), ['base@0']);
  assert.deepEqual(ids(['child@1']), ['grand@1', 'base@0']);
});

test('what is made of another goes before it', () => {
  assert.deepEqual(ids([]), ['grand@1', 'child@1', 'base@1', 'base@0']);
});

test('a parent that is gone, and two that name each other, do no harm', () => {
  assert.deepEqual(ids([], [child]), ['child@1']);
  const a: StoredImage = { kind: 'image', id: 'a@1', of: 'b@1' };
  const b: StoredImage = { kind: 'image', id: 'b@1', of: 'a@1' };
  assert.deepEqual(ids(['a@1'], [a, b]), []);
  assert.equal(ids([], [a, b]).length, 2);
});
