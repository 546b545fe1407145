import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, formatOf, isTaken, natureOf } from '../../lib/storage/disk-head.ts';

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const RAW = `${'00'.repeat(510)}55aa`;

/** The first 512 bytes of a qcow2, with these bytes at these places. */
function qcow2(bytes: Record<number, number> = {}): string {
  const head = Buffer.alloc(512);
  head.write('QFI\xfb\0\0\0\x03', 'latin1');
  for (const [at, byte] of Object.entries(bytes)) head[Number(at)] = byte;
  return head.toString('hex');
}

test('what is no disk image is known by how it begins', () => {
  assert.match(natureOf(hex('\n<html>'))!, /web page/);
  assert.match(natureOf('fd377a585a00')!, /xz/);
  assert.match(natureOf('')!, /empty/);
  assert.equal(natureOf(hex('QFI\xfb')), undefined);
});

test('only formats are taken that cannot name another file, or show it in their head', () => {
  const heads = {
    qcow2: qcow2(),
    vdi: `${'00'.repeat(64)}7f10dabe`,
    vhdx: hex('vhdxfile'),
    vpc: hex('conectix'),
    raw: RAW,
  };
  for (const [format, head] of Object.entries(heads)) {
    assert.equal(formatOf(head), format);
    assert(isTaken(format));
    assert.equal(faultOf(format, head), undefined, format);
  }
  for (const head of ['KDMV', 'COWD', '# Disk DescriptorFile\nversion=1', 'QED\0', 'QFI\xfb\0\0\0\x01']) {
    assert.equal(isTaken(formatOf(hex(head))), false, head);
  }
});

test('a qcow2 that needs a file beside it is told from one that does not', () => {
  assert.match(faultOf('qcow2', qcow2({ 14: 1 }))!, /another file \(its backing file\)/);
  assert.match(faultOf('qcow2', qcow2({ 79: 4 }))!, /another file \(its data file\)/);
  // Dirty, and compressed by zstd: both are whole.
  assert.equal(faultOf('qcow2', qcow2({ 79: 1 | 8 })), undefined);
  // Version 2 has extensions there.
  assert.equal(faultOf('qcow2', qcow2({ 7: 2, 79: 4 })), undefined);
  assert.match(faultOf('qcow2', hex('QFI\xfb\0\0\0\x03'))!, /ends before/);
});

test('a disk without a format boots by its boot sector, or not at all', () => {
  assert.equal(faultOf('raw', RAW), undefined);
  assert.match(faultOf('raw', '00'.repeat(512))!, /no boot sector/);
});
