import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { downloadEnded, isResumable, notAnImage } from '../../../lib/errors/image-download.ts';
import { spaceRunsOut } from '../../../lib/errors/storage.ts';
import { diskBytes, parseFileUrl } from '../../../lib/storage/download/download.ts';
import { readDump } from '../../../lib/storage/download/examine.ts';

test('a URL is parsed, and shown without its secrets', () => {
  assert.deepEqual(parseFileUrl('base', 'https://ann:pw@example.com/a.img?token=1'), {
    env: { URL: 'https://ann:pw@example.com/a.img?token=1', FROM: '' },
    shown: 'https://example.com/a.img',
  });
  assert.deepEqual(parseFileUrl('base', 'file:///a%20b.img').env, { URL: '', FROM: '/a b.img' });
  assert.equal(parseFileUrl('base', 'file:/a.img').env.FROM, '/a.img');
  for (const bad of [
    'file:///a%0Ab.img',
    '',
    'a.img',
    'ftp://example.com/a',
    'file://elsewhere/a',
    '--output=/etc/passwd',
    'file:///a%zz',
    'file:///a%0Ab',
    'http://x/%c3',
  ]) {
    assert.throws(() => parseFileUrl('base', bad), /base.*is not the URL of an image/, bad);
  }
});

test('the size of a disk is parsed', () => {
  assert.equal(diskBytes(JSON.stringify({ format: 'qcow2', 'virtual-size': 42 })), 42);
  assert.equal(diskBytes('nonsense'), 0);
});

test("qemu-io's dump is parsed, whatever else it prints", () => {
  const dump = `00100000:  07 00 ff 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d  ...abcdefghijklm
00100010:  0a 3a  .:
read 18/18 bytes at offset 1048576
18 bytes, 1 ops; 00.00 sec (499.054 KiB/sec and 7984.8607 ops/sec)
`;
  assert.equal(readDump(dump).toString('hex'), '0700ff6162636465666768696a6b6c6d0a3a');
  assert.equal(readDump('qemu-io: cannot open').length, 0);
});

test('an interrupted download is kept to be resumed, a refused one is not', () => {
  const lost = new CiError({
    code: 'ssh/lost',
    blame: 'worker',
    keepsDownload: true,
    message: 'gone',
    retryable: true,
  });
  for (const error of [downloadEnded('base', 'x', 1, 2, 'why'), lost, new Error('aborted')]) assert(isResumable(error));
  for (const error of [notAnImage('base', 'x', 'w', 'it is empty'), spaceRunsOut('base', 'x', 'w')]) {
    assert(!isResumable(error));
  }
});
