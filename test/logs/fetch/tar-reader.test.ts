import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TarReader } from '../../../lib/logs/fetch/tar-reader.ts';
import { scratch } from '../help.ts';
import { archive, END, entry } from './tar-archive.ts';

/** Returns all regular files of an archive that arrives in pieces of so many bytes. */
function read(bytes: Buffer, piece = bytes.length) {
  const files: Record<string, Buffer> = {};
  let now: { name: string; size: number; data: Buffer[] } | undefined;
  const reader = new TarReader({
    file: (name, size) => {
      assert.equal(now, undefined, 'one file at a time');
      now = { name, size, data: [] };
    },
    data: (chunk) => now!.data.push(chunk),
    end: () => {
      const content = Buffer.concat(now!.data);
      assert.equal(content.length, now!.size);
      files[now!.name] = content;
      now = undefined;
    },
  });
  for (let at = 0; at < bytes.length; at += piece) reader.write(bytes.subarray(at, at + piece));
  return files;
}

for (const format of ['gnu', 'posix', 'ustar', 'oldgnu']) {
  test(`tar --format=${format}: names, contents, sizes; links, folders and pipes passed over`, async (t) => {
    const dir = await scratch(t);
    const deep = format === 'ustar' ? 'deep' : Array(8).fill('folder-of-long-name').join('/');
    mkdirSync(join(dir, deep), { recursive: true });
    const contents: Record<string, Buffer> = {
      'empty.log': Buffer.alloc(0),
      'a block.log': randomBytes(512),
      'ümläut.log': Buffer.from('ü'),
      [`${deep}/big`]: randomBytes(70_001),
      [`${deep}/${'n'.repeat(90)}`]: randomBytes(1025),
    };
    for (const [name, content] of Object.entries(contents)) writeFileSync(join(dir, name), content);
    symlinkSync('empty.log', join(dir, 'newest'));
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    const bytes = execFileSync('tar', ['-C', dir, `--format=${format}`, '-cf', '-', '.'], {
      maxBuffer: 1 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for (const piece of [bytes.length, 10_240, 512, 511, 7]) {
      const files = read(bytes, piece);
      assert.deepEqual(
        Object.keys(files).sort(),
        Object.keys(contents)
          .map((name) => `./${name}`)
          .sort(),
      );
      for (const [name, content] of Object.entries(contents)) assert.ok(files[`./${name}`]!.equals(content), name);
    }
  });
}

test('a size of more than eight gigabytes is read, as GNU and as pax write it', async (t) => {
  const file = join(await scratch(t), 'huge');
  writeFileSync(file, '');
  truncateSync(file, 9 * 2 ** 30);
  for (const format of ['gnu', 'posix']) {
    const head = execFileSync('sh', [
      '-c',
      'tar --format=$1 -cf - "$2" 2>/dev/null | head -c 4096',
      'sh',
      format,
      file,
    ]);
    let size = 0;
    new TarReader({
      file: (_name, bytes) => {
        size = bytes;
      },
      data: () => {},
      end: () => {},
    }).write(head);
    assert.equal(size, 9 * 2 ** 30, format);
  }
});

test('archives may follow each other', () => {
  const files = read(Buffer.concat([archive({ name: 'a', content: 'x' }), END, archive({ name: 'b' })]));
  assert.deepEqual(Object.keys(files), ['a', 'b']);
});

test('a name before an entry holds for that entry alone', () => {
  const pax = { name: 'pax', kind: 'x', content: '14 path=/long\n' };
  const files = read(archive(pax, { name: 'short', content: '1' }, { name: 'next', content: '2' }));
  assert.deepEqual(Object.keys(files), ['/long', 'next']);
  const long = { name: '././@LongLink', kind: 'L', content: `/${'n'.repeat(200)}\0` };
  const link = { name: 'of a link', kind: '2' };
  assert.deepEqual(Object.keys(read(archive(long, link, { name: 'own', content: '1' }))), ['own']);
});

for (const [what, bytes] of Object.entries({
  'a greeting of the login shell': Buffer.from('Welcome to guest-7!\n'.repeat(40)),
  'a checksum that is wrong': entry({ name: 'a' }).fill(0x41, 0, 4),
  'a size that is none': entry({ name: 'a', patch: [124, 'twelve bytes'] }),
  'a size below nothing': entry({ name: 'a', patch: [124, '\xff'.repeat(12)] }),
  'a size beyond all numbers': entry({ name: 'a', patch: [124, `\x80${'\xff'.repeat(11)}`] }),
  'a name without end': entry({ name: 'a', kind: 'L', size: 1 << 30 }),
  'a pax record without end': entry({ name: 'a', kind: 'x', content: '99999 path=x\n' }),
  'a pax record that goes back': entry({ name: 'a', kind: 'x', content: '-9 path=x\n' }),
  'a pax record of nothing': entry({ name: 'a', kind: 'x', content: '0 =\n' }),
  'a pax size that is none': entry({ name: 'a', kind: 'x', content: '10 size=-\n' }),
})) {
  test(`refused: ${what}`, () => {
    assert.throws(() => read(Buffer.concat([bytes, END])));
  });
}
