import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionOf, faultOf, formatOf, isAccepted, natureOf } from '../../../lib/storage/download/disk-head.ts';

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const RAW = `${'00'.repeat(510)}55aa`;

/** Returns the first 512 bytes of a qcow2, with these bytes at these offsets. */
function qcow2(bytes: Record<number, number> = {}): string {
  const head = Buffer.alloc(512);
  head.write('QFI\xfb\0\0\0\x03', 'latin1');
  for (const [at, byte] of Object.entries(bytes)) head[Number(at)] = byte;
  return head.toString('hex');
}

test('a file that is not a disk image is recognized by its first bytes', () => {
  assert.match(natureOf(hex('\n<html>'))!, /web page/);
  assert.match(natureOf('fd377a585a00')!, /xz/);
  assert.match(natureOf('')!, /empty/);
  assert.equal(natureOf(hex('QFI\xfb')), undefined);
});

test('only formats are accepted that cannot name another file, or show it in their header', () => {
  const heads = {
    qcow2: qcow2(),
    vdi: `${'00'.repeat(64)}7f10dabe`,
    vhdx: hex('vhdxfile'),
    vpc: hex('conectix'),
    raw: RAW,
  };
  for (const [format, head] of Object.entries(heads)) {
    assert.equal(formatOf(head), format);
    assert(isAccepted(format));
    assert.equal(faultOf(format, head), undefined, format);
  }
  for (const head of ['KDMV', 'COWD', '# Disk DescriptorFile\nversion=1', 'QED\0', 'QFI\xfb\0\0\0\x01']) {
    assert.equal(isAccepted(formatOf(hex(head))), false, head);
  }
});

test('a qcow2 that needs another file is refused, one that does not is accepted', () => {
  assert.match(faultOf('qcow2', qcow2({ 14: 1 }))!, /another file \(its backing file\)/);
  assert.match(faultOf('qcow2', qcow2({ 79: 4 }))!, /another file \(its data file\)/);
  // Dirty, or compressed with zstd: both are complete.
  assert.equal(faultOf('qcow2', qcow2({ 79: 1 | 8 })), undefined);
  // Version 2 has extensions there.
  assert.equal(faultOf('qcow2', qcow2({ 7: 2, 79: 4 })), undefined);
  assert.match(faultOf('qcow2', hex('QFI\xfb\0\0\0\x03'))!, /ends before/);
});

test('a raw disk needs a boot sector', () => {
  assert.equal(faultOf('raw', RAW), undefined);
  assert.match(faultOf('raw', '00'.repeat(512))!, /no boot sector/);
});

test('a compressed file is recognized by its first bytes', () => {
  const heads = { gzip: '1f8b0808', xz: 'fd377a585a000004', zstd: '28b52ffd04', bzip2: '425a6839314159' };
  for (const [name, head] of Object.entries(heads)) assert.equal(compressionOf(head), name);
  assert.equal(compressionOf('502a4d1804000000'), 'zstd');
  for (const head of ['', qcow2(), RAW, hex('BZhello'), '1f9d']) assert.equal(compressionOf(head), undefined, head);
});

test('each kind of file that is not a disk is named', () => {
  const tar = Buffer.alloc(512);
  tar.write('disk.vmdk\0');
  tar.write('ustar', 257);
  const kinds: [string, RegExp][] = [
    [hex('\ufeff<!DOCTYPE html><title>Log in</title>'.replace('\ufeff', '\xef\xbb\xbf')), /web page.*login/],
    [hex('<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>'), /web page/],
    [hex('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>'), /XML document.*"<\?xml.*AccessDenied/],
    [hex('{"message": "not found"}'), /JSON document.*"\{"message"/],
    [hex('404 page not found\n'), /a text.*"404 page not found"/],
    [hex('version https://git-lfs.github.com/spec/v1\noid sha256:abc'), /Git LFS pointer/],
    [hex('\xff\xfen\0o\0t\0 \0f\0o\0u\0n\0d\0'), /a text.*"not found"/],
    [tar.toString('hex'), /tar archive: give the URL of the disk image itself/],
    [hex('PK\x03\x04'), /zip archive/],
    [hex('\n# Disk DescriptorFile\nversion=1'), /a text/],
  ];
  for (const [head, words] of kinds) assert.match(natureOf(head)!, words);
  const file = { size: 1e6, tail: '', iso: hex('CD001') };
  assert.match(natureOf(RAW, file)!, /ISO 9660/);
  assert.equal(natureOf(RAW, { ...file, iso: '0000000000' }), undefined);
  // A quote is bounded and has no control characters.
  assert.match(natureOf(hex(`oh\x1b[31m ${'x'.repeat(400)}`))!, /"oh x{60,80}…"$/);
});

test('an encrypted, corrupt, differencing or truncated disk is refused', () => {
  assert.match(faultOf('qcow2', qcow2({ 35: 1 }))!, /encrypted/);
  assert.match(faultOf('qcow2', qcow2({ 79: 2 }))!, /marked as corrupt/);
  assert.equal(formatOf(hex('LUKS\xba\xbe')), 'luks');
  const vpc = Buffer.alloc(512);
  vpc.write('conectix');
  vpc.writeUInt32BE(4, 60);
  assert.match(faultOf('vpc', vpc.toString('hex'))!, /another file \(its parent\)/);
  vpc.writeUInt32BE(3, 60);
  const whole = { size: 4096, tail: vpc.toString('hex'), iso: '' };
  assert.equal(faultOf('vpc', vpc.toString('hex'), whole), undefined);
  assert.match(faultOf('vpc', vpc.toString('hex'), { ...whole, tail: RAW })!, /cut off/);
  const vdi = Buffer.alloc(512);
  vdi.write('7f10dabe', 64, 'hex');
  for (const [at, value] of [
    [344, 1024],
    [376, 1 << 20],
    [388, 2],
  ] as const)
    vdi.writeUInt32LE(value, at);
  const size = 1024 + 2 * (1 << 20);
  assert.equal(faultOf('vdi', vdi.toString('hex'), { ...whole, size }), undefined);
  assert.match(faultOf('vdi', vdi.toString('hex'), { ...whole, size: size - 1 })!, /cut off/);
});
