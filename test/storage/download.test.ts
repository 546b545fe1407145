import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natureOf, placeOf, readInfo } from '../../lib/storage/download.ts';

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

test('what is no disk image is known by how it begins', () => {
  const hex = (text: string) => Buffer.from(text).toString('hex');
  assert.match(natureOf(hex('\n<html>'))!, /web page/);
  assert.match(natureOf('fd377a585a00')!, /xz/);
  assert.match(natureOf('')!, /empty/);
  assert.equal(natureOf(hex('QFI\xfb')), undefined);
});

test('an image that needs files beside it is told from one that does not', () => {
  const info = (more: object) => readInfo(JSON.stringify({ format: 'qcow2', 'virtual-size': 42, ...more }));
  assert.deepEqual(info({}), { format: 'qcow2', size: 42 });
  assert.equal(info({ 'backing-filename': '/etc/shadow' }).outside, '/etc/shadow');
  assert.equal(info({ 'format-specific': { type: 'qcow2', data: { 'data-file': '/dev/sda' } } }).outside, '/dev/sda');
  assert.equal(readInfo('nonsense').format, '');
});
