import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEsp, partitionsOf, TABLE_BYTES } from '../../../lib/storage/download/partitions.ts';
import { gpt, mbr, TYPES } from './disks.ts';

const MIB = 2 ** 20;

test('the partitions of a GPT are found, with their types', () => {
  const found = partitionsOf(
    gpt([
      { start: 1, size: 2, type: TYPES.esp },
      { start: 3, size: 5, type: TYPES.rootArm64 },
    ]),
  );
  assert.deepEqual(found, [
    { start: MIB, end: 3 * MIB, type: TYPES.esp },
    { start: 3 * MIB, end: 8 * MIB, type: TYPES.rootArm64 },
  ]);
  assert.deepEqual(found.map(isEsp), [true, false]);
});

test('the partitions of an MBR are found', () => {
  const found = partitionsOf(
    mbr([
      { start: 1, size: 2, type: 0xef },
      { start: 3, size: 5, type: 0x83 },
    ]),
  );
  assert.deepEqual(found, [
    { start: MIB, end: 3 * MIB, type: 'ef' },
    { start: 3 * MIB, end: 8 * MIB, type: '83' },
  ]);
  assert.deepEqual(found.map(isEsp), [true, false]);
});

test('without a partition table there are no partitions, whatever the bytes are', () => {
  assert.deepEqual(partitionsOf(Buffer.alloc(0)), []);
  assert.deepEqual(partitionsOf(Buffer.alloc(TABLE_BYTES)), []);
  // Boot code of a file system in place of a table.
  const code = Buffer.alloc(TABLE_BYTES, 0x37);
  code.writeUInt16LE(0xaa55, 510);
  assert.deepEqual(partitionsOf(code), []);
  const hostile = gpt([{ start: 1, size: 2, type: TYPES.esp }]);
  hostile.fill(0xff, 512 + 72, 512 + 88);
  assert.deepEqual(partitionsOf(hostile), []);
  assert.deepEqual(partitionsOf(gpt([{ start: 1, size: 2, type: TYPES.esp }]).subarray(0, 700)), []);
});
