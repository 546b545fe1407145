import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkName } from '../../lib/storage/names.ts';

test('a name that could leave its folder, or be mistaken for a record, is refused', () => {
  for (const name of ['', '.', '..', '../x', 'a/b', '.hidden', '-rf', 'a\0b', 'a\nb', 'x.json', 'x'.repeat(129)]) {
    assert.throws(() => checkName('a clone', name), { code: 'storage/bad-name' }, JSON.stringify(name));
  }
  assert.equal(checkName('a clone', 'unit-7f3a.vm_1'), 'unit-7f3a.vm_1');
});
