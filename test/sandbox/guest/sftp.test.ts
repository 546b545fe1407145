import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { openWorld, type World } from '../worker/sandbox-world.ts';

let world: World;
let sftp: SFTPWrapper;
let home: string;
before(async () => {
  world = await openWorld();
  sftp = await (await world.login(await world.boot('unit-1'))).sftp();
  home = join(world.root, 'clones', 'unit-1');
});
after(() => world.close());

/** Calls a method of the client and waits for its callback. */
const call = <T = void>(work: (done: (error: Error | null | undefined, value?: T) => void) => void): Promise<T> =>
  new Promise((resolve, reject) => work((error, value) => (error ? reject(error) : resolve(value as T))));

test('files of any size are written and read completely, by relative or absolute path', async () => {
  const bytes = randomBytes(3_000_001);
  await pipeline([bytes], sftp.createWriteStream('big', { mode: 0o640 }));
  assert.ok((await readFile(join(home, 'big'))).equals(bytes));
  const back: Buffer[] = [];
  for await (const chunk of sftp.createReadStream(join(home, 'big'))) back.push(chunk);
  assert.ok(Buffer.concat(back).equals(bytes));
  const stats = await call<Stats>((done) => sftp.stat('big', done));
  assert.equal(stats.size, bytes.length);
  assert.equal(stats.mode & 0o777, 0o640);
  await call((done) => sftp.appendFile('big', 'more', done));
  assert.equal((await readFile(join(home, 'big'))).length, bytes.length + 4);
  await pipeline([Buffer.from('')], sftp.createWriteStream('empty'));
  assert.equal(await text(sftp.createReadStream('empty')), '');
});

test('a folder with many files is listed completely, with their types', async () => {
  await mkdir(join(home, 'many'));
  for (let i = 0; i < 250; i++) await writeFile(join(home, 'many', `file ${i} ü`), '');
  await call((done) => sftp.mkdir('many/sub', done));
  await call((done) => sftp.symlink('../big', 'many/link', done));
  const rows = await call<FileEntryWithStats[]>((done) => sftp.readdir('many', done));
  assert.equal(rows.length, 252);
  const row = (name: string) => rows.find(({ filename }) => filename === name)!;
  assert.ok(row('sub').attrs.isDirectory());
  assert.ok(row('link').attrs.isSymbolicLink());
  assert.ok(row('file 249 ü').attrs.isFile());
  assert.match(row('sub').longname, /^drwx/);
  assert.equal(await call<string>((done) => sftp.readlink('many/link', done)), '../big');
  assert.ok((await call<Stats>((done) => sftp.lstat('many/link', done))).isSymbolicLink());
  assert.ok((await call<Stats>((done) => sftp.stat('many/link', done))).isFile());
});

test('relative paths start in the home folder', async () => {
  assert.equal(await call<string>((done) => sftp.realpath('.', done)), home);
  assert.equal(await call<string>((done) => sftp.realpath('many/../not-there', done)), join(home, 'not-there'));
});

test('files are renamed, changed and removed; invalid operations are refused as the protocol requires', async () => {
  await call((done) => sftp.writeFile('a', 'a', done));
  await call((done) => sftp.writeFile('b', 'b', done));
  await assert.rejects(
    call((done) => sftp.rename('a', 'b', done)),
    /the new name is taken/,
  );
  await call((done) => sftp.rename('a', 'c', done));
  await call((done) => sftp.chmod('c', 0o700, done));
  await call((done) => sftp.utimes('c', 1_000_000_000, 1_000_000_000, done));
  const stats = await call<Stats>((done) => sftp.stat('c', done));
  assert.deepEqual([stats.mode & 0o777, stats.mtime], [0o700, 1_000_000_000]);
  await call((done) => sftp.unlink('c', done));
  await call((done) => sftp.mkdir('d', done));
  await call((done) => sftp.rmdir('d', done));
  await assert.rejects(
    call((done) => sftp.rmdir('many', done)),
    /not empty/,
  );
});

test("errors have the protocol's codes, and the session continues", async () => {
  await assert.rejects(
    call((done) => sftp.stat('nothing', done)),
    { code: 2 },
  );
  await assert.rejects(
    call((done) => sftp.readdir('nothing', done)),
    { code: 2 },
  );
  await assert.rejects(
    call((done) => sftp.readdir('big', done)),
    { code: 4 },
  );
  await assert.rejects(
    call((done) => sftp.open('big', 'wx', done)),
    { code: 4 },
  );
  const unknown = Buffer.from([9, 9, 9, 9]);
  await assert.rejects(
    call((done) => sftp.close(unknown, done)),
    { code: 4, message: /not an open file/ },
  );
  await assert.rejects(
    call((done) => sftp.fstat(Buffer.from('?'), done)),
    { code: 4 },
  );
  const handle = await call<Buffer>((done) => sftp.open('big', 'r', done));
  const past = await new Promise((resolve) =>
    sftp.read(handle, Buffer.alloc(10), 0, 10, 1e9, (error, count) => resolve(error ?? count)),
  );
  assert.equal(past, 0);
  await call((done) => sftp.close(handle, done));
  assert.ok((await call<Stats>((done) => sftp.stat('big', done))).isFile());
});
