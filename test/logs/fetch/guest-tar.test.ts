import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { fetchFiles } from '../../../lib/logs/fetch/fetch.ts';
import { Files } from '../../../lib/logs/fetch/files.ts';
import type { FetchLimits } from '../../../lib/logs/types.ts';
import { waitFor } from '../../support/wait.ts';
import { scratch } from '../help.ts';
import { type Answer, FakeGuest, goodTar } from './fake-guest.ts';
import type { Tree } from './fake-sftp.ts';
import { archive, END, entry } from './tar-archive.ts';

interface Started {
  guest: FakeGuest;
  control: AbortController;
  /** Everything that stands in and beside the build's folder, by its path, when the fetch is over. */
  written(): Promise<Record<string, string>>;
  done: ReturnType<typeof fetchFiles>;
}

/** Fetches `/x` from a guest whose tar answers as told, into a folder that has others beside it. */
async function start(t: TestContext, tree: Tree, answer: Answer, limits: Partial<FetchLimits> = {}): Promise<Started> {
  const around = await scratch(t);
  const root = join(around, 'build');
  await mkdir(root);
  const guest = new FakeGuest(tree, answer);
  const control = new AbortController();
  const options = { guest: 'vm', signal: control.signal, ...limits };
  const done = fetchFiles(guest, [{ remote: '/x', dir: '' }], new Files(root), options);
  done.catch(() => {});
  const written = async () => {
    const entries = await readdir(around, { recursive: true, withFileTypes: true });
    const files = entries.filter((one) => !one.isDirectory()).map((one) => join(one.parentPath, one.name));
    const pairs = files.sort().map(async (file) => [file.slice(around.length + 1), await readFile(file, 'latin1')]);
    return Object.fromEntries(await Promise.all(pairs)) as Record<string, string>;
  };
  return { guest, control, written, done };
}

const TREE = { '/x/a': 'first', '/x/b': 'second', '/x/c/d': 'third' };
const ALL = { 'build/a': 'first', 'build/b': 'second', 'build/c/d': 'third' };

test('files come in one stream, and no file is opened by SFTP', async (t) => {
  const { guest, done, written } = await start(t, TREE, goodTar(TREE));
  assert.deepEqual(await done, { files: 3, bytes: 16, missing: [] });
  assert.deepEqual(await written(), ALL);
  assert.deepEqual(guest.asked.sort(), Object.keys(TREE));
  assert.equal(guest.files.mostOpen, 0);
  assert.ok(guest.files.ended, 'the SFTP session is closed');
  assert.equal(guest.closed, 1);
});

const wholly: [string, Answer][] = [
  ['sends nothing at all', () => []],
  ['greets first', () => [Buffer.from('Welcome!\n'.repeat(100)), archive({ name: 'x/a', content: 'first' })]],
  ['ends at once', () => [END]],
  [
    'sends what nobody asked for',
    () => [
      archive(
        ...['etc/passwd', '/etc/cron.d/x', '../up', '../../up', 'x/../../up', 'x/c', 'x/e', 'a', ''].map((name) => ({
          name,
          content: 'evil',
        })),
        { name: 'pax', kind: 'x', content: '20 path=/etc/shadow\n' },
        { name: 'x/a', content: 'evil' },
      ),
    ],
  ],
  [
    'sends links, folders, devices and pipes in place of files',
    () => [
      archive(
        ...['1', '2', '3', '4', '5', '6'].flatMap((kind) =>
          Object.keys(TREE).map((path) => ({
            name: path.slice(1),
            kind,
            patch: [157, '/etc/passwd'] as [number, string],
          })),
        ),
      ),
    ],
  ],
  ['leaves files out', () => [archive({ name: 'x/b', content: 'second' })]],
  [
    'sends one twice',
    () => [
      archive({ name: 'x/b', content: 'second' }, { name: 'x/b', content: 'evil' }, { name: 'x/a', content: 'first' }),
    ],
  ],
  ['breaks off between two files', () => [entry({ name: 'x/a', content: 'first' })]],
  ['breaks off in a header', () => [entry({ name: 'x/a', content: 'first' }), entry({ name: 'x/b' }).subarray(0, 100)]],
  [
    'sends nonsense after a file',
    () => [
      entry({ name: 'x/a', content: 'first' }),
      Buffer.alloc(2048, 0x55),
      archive({ name: 'x/b', content: 'evil' }),
    ],
  ],
  [
    'sends a file that grew, and goes on growing',
    () => [archive({ name: 'x/a', content: `first${'.'.repeat(5000)}` }, { name: 'x/b', content: 'second' })],
  ],
];
for (const [what, answer] of wholly) {
  test(`a tar that ${what}: each file arrives unchanged, and nothing else`, async (t) => {
    const { done, written } = await start(t, TREE, answer);
    assert.deepEqual(await done, { files: 3, bytes: 16, missing: [] });
    assert.deepEqual(await written(), ALL);
  });
}

test('a tar that never ends is stopped', async (t) => {
  const noise = Buffer.concat(
    Array.from({ length: 64 }, () => entry({ name: 'noise', content: Buffer.alloc(16_384) })),
  );
  let sent = 0;
  const { done, written } = await start(t, TREE, function* () {
    for (;;) {
      sent += noise.length;
      yield noise;
    }
  });
  assert.equal((await done).files, 3);
  assert.deepEqual(await written(), ALL);
  assert.ok(sent < 80 << 20, `${sent} bytes`);
});

test('a file that shrank is published as it arrived', async (t) => {
  const { done, written } = await start(t, TREE, () => [
    archive({ name: 'x/a', content: 'fir' }, { name: 'x/b' }, { name: 'x/c/d', content: 'third' }),
  ]);
  assert.deepEqual(await done, { files: 3, bytes: 8, missing: [] });
  assert.deepEqual(await written(), { ...ALL, 'build/a': 'fir', 'build/b': '' });
});

test('what tar cannot read is fetched over SFTP, and is missing if that fails too', async (t) => {
  const { done, guest } = await start(t, { ...TREE, '/x/secret': 'hidden' }, goodTar(TREE));
  const { open } = guest.files;
  guest.files.open = (path, mode, answer) =>
    path === '/x/secret' ? answer(Object.assign(new Error('denied'), { code: 3 })) : open(path, mode, answer);
  assert.deepEqual(await done, { files: 3, bytes: 16, missing: ['/x/secret'] });
});

test('any name is requested unchanged; empty files and those of the kernel are fetched over SFTP', async (t) => {
  const odd = { '/x/two\nlines': '1', '/x/back\\slash': '2', '/x/blank ': '3', '/x/empty': '', "/x/'$(id)'": '4' };
  const { done, guest, written } = await start(t, odd, goodTar(odd));
  assert.equal((await done).files, 5);
  assert.deepEqual(
    guest.asked,
    Object.keys(odd).filter((name) => name !== '/x/empty'),
  );
  assert.deepEqual(Object.values(await written()).sort(), ['', '1', '2', '3', '4']);
});

test('a file that breaks off is an error, and nothing is written outside the folder', async (t) => {
  const half = entry({ name: 'x/a', content: Buffer.alloc(100_000) }).subarray(0, 50_000);
  const { done, written } = await start(t, { '/x/a': Buffer.alloc(100_000) }, () => [half]);
  await assert.rejects(
    done,
    (error) =>
      error instanceof CiError &&
      error.result === 'POST_FAILURE' &&
      /guest vm: \/x\/a arrived incomplete \(its tar ended with 0\)/.test(error.message),
  );
  assert.deepEqual(Object.keys(await written()), ['build/a']);
});

test('a guest that is silent within a file or before the first counts as lost', async (t) => {
  const begun = entry({ name: 'x/a', content: 'first' }).subarray(0, 514);
  for (const pieces of [[begun], []]) {
    const { done, guest } = await start(
      t,
      TREE,
      async function* () {
        yield* pieces;
        await new Promise(() => {});
      },
      { silence: 0.2 },
    );
    await assert.rejects(done, /guest vm did not answer for 0\.2 s while fetching \/x\/a/);
    assert.equal(guest.closed, 1);
  }
});

test('a tar that does not start is not waited for', async (t) => {
  const { guest, done } = await start(t, TREE, goodTar(TREE), { silence: 0.2 });
  guest.start = (_argv?: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  assert.equal((await done).files, 3);
});

test('an abort rejects with its reason and leaves no listener', async (t) => {
  let asked = false;
  const { control, done, guest } = await start(t, TREE, async function* () {
    asked = true;
    yield entry({ name: 'x/a', content: 'first' }).subarray(0, 514);
    await new Promise(() => {});
  });
  await waitFor('the guest was asked', () => asked);
  control.abort(new Error('a newer patchset came'));
  await assert.rejects(done, /a newer patchset came/);
  assert.equal(guest.closed, 1);
  assert.equal(guest.files.listenerCount('close'), 0);
});

test('while the disk here is blocked, nothing is read from the guest', async (t) => {
  const size = 64 << 20;
  let sent = 0;
  const disk = Promise.withResolvers<void>();
  const probe = await open(join(await scratch(t), 'probe'), 'w');
  await probe.close();
  const handles = Object.getPrototypeOf(probe) as typeof probe;
  const { writev } = handles;
  t.mock.method(handles, 'writev', async function (this: typeof probe, ...args: Parameters<typeof writev>) {
    await disk.promise;
    return writev.apply(this, args);
  });
  const { done } = await start(t, { '/x/big': Buffer.alloc(size) }, function* () {
    yield entry({ name: 'x/big', size });
    for (; sent < size; sent += 1 << 20) yield Buffer.alloc(1 << 20);
    yield END;
  });
  await waitFor('half of the file was sent', () => sent >= 16 << 20);
  for (let turn = 0; turn < 1000; turn++) await setImmediate();
  assert.ok(sent < 24 << 20, `${sent} bytes were taken`);
  disk.resolve();
  assert.deepEqual(await done, { files: 1, bytes: size, missing: [] });
});

test('a disk that becomes full within a large file ends the fetch immediately', async (t) => {
  const probe = await open(join(await scratch(t), 'probe'), 'w');
  await probe.close();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  t.mock.method(Object.getPrototypeOf(probe) as typeof probe, 'writev', () => Promise.reject(full));
  const size = 40 << 20;
  const { done, control } = await start(t, { '/x/big': Buffer.alloc(size) }, async function* () {
    yield entry({ name: 'x/big', size });
    for (let sent = 0; sent < size; sent += 1 << 20) yield Buffer.alloc(1 << 20);
    yield END;
  });
  t.after(() => control.abort());
  const late = sleep(20_000, 'it never ended', { ref: false });
  const end = await Promise.race([done.catch((error: unknown) => error), late]);
  assert.ok(end instanceof CiError, String(end));
  assert.equal(end.result, 'DISK_FULL');
});
