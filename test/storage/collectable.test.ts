import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectable, type StoredImage } from '../../lib/storage/collectable.ts';

const base: StoredImage = { kind: 'image', id: 'base@1' };
const child: StoredImage = { kind: 'image', id: 'child@1', of: 'base@1' };
const grandchild: StoredImage = { kind: 'draft', id: 'grand@1', of: 'child@1' };
const old: StoredImage = { kind: 'image', id: 'base@0' };
const ids = (keep: string[], stored = [base, child, grandchild, old]) => collectable(stored, keep).map(({ id }) => id);

test('the ancestors of a kept image are kept', () => {
  assert.deepEqual(ids(['grand@1']), ['base@0']);
  assert.deepEqual(ids(['child@1']), ['grand@1', 'base@0']);
});

test('children are removed before their parents', () => {
  assert.deepEqual(ids([]), ['grand@1', 'child@1', 'base@1', 'base@0']);
});

test('a missing parent and a cycle of parents are harmless', () => {
  assert.deepEqual(ids([], [child]), ['child@1']);
  const a: StoredImage = { kind: 'image', id: 'a@1', of: 'b@1' };
  const b: StoredImage = { kind: 'image', id: 'b@1', of: 'a@1' };
  assert.deepEqual(ids(['a@1'], [a, b]), []);
  assert.equal(ids([], [a, b]).length, 2);
});
