import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diskBytes, placeOf } from '../../lib/storage/download.ts';

test('an address is taken apart, and shown without what is secret', () => {
  assert.deepEqual(placeOf('base', 'https://ann:pw@example.com/a.img?token=1'), {
    env: { URL: 'https://ann:pw@example.com/a.img?token=1', FROM: '' },
    shown: 'https://example.com/a.img',
  });
  assert.deepEqual(placeOf('base', 'file:///a%20b.img').env, { URL: '', FROM: '/a b.img' });
  assert.equal(placeOf('base', 'file:/a.img').env.FROM, '/a.img');
  for (const bad of ['', 'a.img', 'ftp://example.com/a', 'file://elsewhere/a', '--output=/etc/passwd']) {
    assert.throws(() => placeOf('base', bad), /base.*no URL/, bad);
  }
});

test('the size of a disk is read', () => {
  assert.equal(diskBytes(JSON.stringify({ format: 'qcow2', 'virtual-size': 42 })), 42);
  assert.equal(diskBytes('nonsense'), 0);
});
