import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClone, readImages, readRecords } from '../../lib/storage/storage-lines.ts';

test('every file named after a device is a disk of that name', () => {
  const said =
    'path /ci/c1\nfile vdb.raw\nfile vda.qcow2\nfile xvda\nfile notes.txt\nfile vdab.qcow2\nfile console.log\n';
  assert.deepEqual(readClone('c1', said), {
    name: 'c1',
    path: '/ci/c1',
    disks: [
      { name: 'vda', path: '/ci/c1/vda.qcow2', format: 'qcow2' },
      { name: 'vdb', path: '/ci/c1/vdb.raw', format: 'raw' },
      { name: 'xvda', path: '/ci/c1/xvda', format: 'raw' },
    ],
  });
});

test('records of clones are parsed, other lines are left out', () => {
  const said = 'c1:{"controller":"r1","build":"b:1","attempt":2,"image":"base@k"}\nc2:garbage\nc3:{}\n\n';
  const owner = { controller: 'r1', build: 'b:1', attempt: 2 };
  assert.deepEqual(readRecords(said), [{ name: 'c1', owner, image: 'base@k' }]);
});

test('a clone without a controller still has an image in use', () => {
  const [record] = readRecords('c1:{"build":"b1","attempt":1,"image":"base@k"}\n');
  assert.equal(record?.owner.controller, '');
  assert.equal(record?.image, 'base@k');
});

test('images and drafts are parsed with their parents', () => {
  assert.deepEqual(readImages('image base@1 \ndraft child@2 base@1\nnoise\n'), [
    { kind: 'image', id: 'base@1' },
    { kind: 'draft', id: 'child@2', of: 'base@1' },
  ]);
});
