import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootFiles } from '../../../lib/storage/download/fat.ts';
import { fat } from './disks.ts';

const START = 1 << 20;

/** Reads a file system that starts at START. */
const reader = (disk: Buffer) => async (offset: number, length: number) => {
  assert(offset >= START && length <= 64 * 1024, `${length} at ${offset}`);
  return disk.subarray(offset - START, offset - START + length);
};

test('boot files are found in each kind of FAT, following the chain of clusters', async () => {
  for (const bits of [12, 16, 32] as const) {
    const found = await bootFiles(reader(fat(bits, ['BOOTAA64.EFI', 'FBAA64.EFI'])), START);
    assert(found.includes('BOOTAA64.EFI') && found.includes('FBAA64.EFI'), `${bits}: ${found}`);
    // Deleted.
    assert(!found.some((name) => name.endsWith('LD1.EFI')), `${found}`);
  }
});

test('a file system that is not FAT has no boot files', async () => {
  assert.deepEqual(await bootFiles(reader(Buffer.alloc(0)), START), []);
  assert.deepEqual(await bootFiles(reader(Buffer.alloc(4096)), START), []);
  const random = Buffer.alloc(4096, 0x5a);
  random.writeUInt16LE(0xaa55, 510);
  assert.deepEqual(await bootFiles(reader(random), START), []);
});

test('a cyclic chain of clusters is not followed forever', { timeout: 10_000 }, async () => {
  const disk = fat(16, []);
  const table = 32 * 512;
  disk.writeUInt16LE(4, table + 2 * 7);
  // Full, so that the folder has no end marker.
  for (let at = 0; at < disk.length; at += 32) if (disk[at] === 0 && at > table + 25_000) disk.write('X', at);
  assert(Array.isArray(await bootFiles(reader(disk), START)));
});
