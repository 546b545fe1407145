import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSource, ImageSpec, Storage } from '../../lib/worker/types.ts';
import { type ImageServer, openImageServer } from './image-server.ts';
import { openPlace, type Place } from './storage-place.ts';

const within = () => ({ signal: AbortSignal.timeout(180_000) });
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

let place: Place;
let storage: Storage;
let content: Buffer;
let raw: Buffer;
let web: ImageServer;
let count = 0;

before(async () => {
  place = await openPlace('btrfs');
  storage = hostStorage({ kind: 'btrfs', place: place.place, host: async () => place.host });
  const file = `${place.root}-made`;
  await place.sh(`qemu-img create -q -f qcow2 '${file}.qcow2' 64M
    qemu-io -f qcow2 -c 'write -q -P 7 1M 8M' '${file}.qcow2'
    truncate -s 4M '${file}.raw'; printf '\\125\\252' | dd of='${file}.raw' bs=1 seek=510 conv=notrunc 2>/dev/null`);
  const read = async (path: string) => Buffer.from(await place.sh(`gzip <'${path}' | base64 -w0`), 'base64');
  const { gunzipSync } = await import('node:zlib');
  content = gunzipSync(await read(`${file}.qcow2`));
  raw = gunzipSync(await read(`${file}.raw`));
});
after(() => place.close());
beforeEach(async () => {
  web = await openImageServer(content);
});
afterEach(() => web.close());

const image = (source: Partial<Extract<ImageSource, { kind: 'url' }>> = {}): ImageSpec => {
  count += 1;
  return { name: 'base', key: `k${count}`, source: { kind: 'url', url: web.url, ...source }, loginUser: 'root' };
};
const disk = (of: ImageSpec) => `${place.root}/base@${of.key}/vda.qcow2`;
const size = async (of: ImageSpec) => await place.sh(`qemu-img info --output=json '${disk(of)}' | grep virtual-size`);
const refused = (code: string, words: RegExp) => (error: unknown) => {
  assert(error instanceof CiError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

test('an image is downloaded, checked and grown, and says how far it is', async () => {
  const base = image({ sha256: sha256(content).toUpperCase(), diskSize: 1 });
  const said: string[] = [];
  await storage.make(base, { ...within(), onProgress: (text) => said.push(text) });
  assert.equal(await storage.has(base, within()), true);
  assert.match(await size(base), / 1073741824,/);
  assert.equal(await place.sh(`ls -A '${place.root}/base@${base.key}'`), '.image\nvda.qcow2');
  assert.deepEqual(said.slice(-3), ['100 %', 'checking', 'finishing']);
});

test('a download that breaks off goes on where it ended', async () => {
  web.breaks.push(3_000_000, 6_000_000);
  const base = image({ sha256: sha256(content) });
  await storage.make(base, within());
  const [first, second, third] = web.ranges;
  assert.equal(first, undefined);
  assert.match(second!, /^bytes=[1-9]\d+-$/);
  assert.match(third!, /^bytes=[1-9]\d+-$/);
  await place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
});

test('one that breaks off three times says how far it came; the next goes on with it', async () => {
  web.breaks.push(2_000_000, 4_000_000, 6_000_000);
  const base = image();
  await assert.rejects(
    storage.make(base, within()),
    refused('image/download-ended', /ended at \d of \d MB \(.*\)\. Tried 3 times/),
  );
  assert.equal(await storage.has(base, within()), false);
  await storage.make(base, within());
  assert.match(web.ranges.at(-1)!, /^bytes=[1-9]\d+-$/);
  await place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
});

test('a file that changed meanwhile is fetched from its start', async () => {
  web.breaks.push(2_000_000, 2_000_000, 2_000_000);
  const base = image();
  await assert.rejects(storage.make(base, within()));
  web.content = raw;
  web.etag = '"2"';
  await storage.make(base, within());
  assert.equal((await size(base)).trim(), '"virtual-size": 4194304,');
});

test('a wrong checksum, a missing file and a server that is gone are said, and nothing is kept as the image', async () => {
  const wrong = image({ sha256: '0'.repeat(64) });
  await assert.rejects(storage.make(wrong, within()), refused('image/checksum', new RegExp(sha256(content))));
  web.status = 404;
  const missing = image();
  await assert.rejects(storage.make(missing, within()), refused('image/not-found', /the server answered 404/));
  assert.equal(web.ranges.length, 2);
  const gone = image({ url: 'http://127.0.0.1:9/base.img' });
  await assert.rejects(storage.make(gone, within()), refused('image/download-ended', /ended at 0 MB .*127\.0\.0\.1/));
  for (const each of [wrong, missing, gone]) assert.equal(await storage.has(each, within()), false);
});

test('what is no disk image, is compressed, reads other files or is too large is refused', async () => {
  web.content = Buffer.from('<!DOCTYPE html><title>Log in</title>');
  await assert.rejects(storage.make(image(), within()), refused('image/no-image', /web page/));
  web.content = Buffer.from('1f8b08000000', 'hex');
  await assert.rejects(storage.make(image(), within()), refused('image/no-image', /gzip/));
  web.content = Buffer.alloc(1 << 20);
  await assert.rejects(storage.make(image(), within()), refused('image/no-image', /no boot sector/));
  const path = `${place.root}-backed.qcow2`;
  await place.sh(`qemu-img create -q -f qcow2 -F raw -b /etc/hostname '${path}' 1M`);
  await assert.rejects(
    storage.make(image({ url: `file://${path}` }), within()),
    refused('image/no-image', /its backing file/),
  );
  web.content = content;
  await assert.rejects(storage.make(image({ diskSize: 0.01 }), within()), refused('image/disk-size', /can only grow/));
});

test('no file of the worker is read by way of an image that names it', async () => {
  const secret = `${place.root}-secret`;
  await place.sh(`head -c 1M /dev/urandom >'${secret}'; sync
    qemu-img create -q -f qcow2 -o data_file='${secret}2',data_file_raw=on '${secret}.qcow2' 1M`);
  const descriptor = (more: string) => `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 2048 FLAT "${secret}" 0
${more}`;
  web.content = Buffer.from(descriptor(''));
  await assert.rejects(storage.make(image(), within()), refused('image/format', /format "vmdk", which is not taken/));
  // One that is a boot sector at the same time, or has a blank line before: raw, and nothing else.
  const boots = Buffer.alloc(4096);
  boots.write(descriptor(`#${'x'.repeat(60)}\n`).replace('# Disk', '\n# Disk'));
  boots.set([0x55, 0xaa], 510);
  web.content = boots;
  const raw = image();
  await storage.make(raw, within());
  assert.match(await size(raw), / 4096,/);
  await assert.rejects(
    storage.make(image({ url: `file://${secret}.qcow2` }), within()),
    refused('image/no-image', /its data file/),
  );
});

test('a VDI, VHDX or VHD is converted', async () => {
  for (const format of ['vdi', 'vhdx', 'vpc']) {
    const file = `${place.root}-made.${format}`;
    await place.sh(`qemu-img convert -f qcow2 -O ${format} '${place.root}-made.qcow2' '${file}'`);
    const base = image({ url: `file://${file}` });
    await storage.make(base, within());
    await place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
  }
});

test('a raw file on the worker is converted', async () => {
  const base = image({ url: `file://${place.root}-made.raw`, diskSize: 0.5 });
  const said: string[] = [];
  await storage.make(base, { ...within(), onProgress: (text) => said.push(text) });
  assert.deepEqual(said, ['converting from raw']);
  assert.match(await size(base), / 536870912,/);
  const none = image({ url: 'file:///nowhere.img' });
  await assert.rejects(storage.make(none, within()), refused('image/not-found', /no such file on worker test/));
});

test('a download ends with its caller, and leaves no process', async () => {
  web.stallAt = 1_000_000;
  const base = image();
  const stop = new AbortController();
  const said: string[] = [];
  const slow = storage.make(base, {
    signal: stop.signal,
    onProgress: (text) => {
      said.push(text);
      stop.abort(new Error('enough'));
    },
  });
  await assert.rejects(slow, /enough/);
  assert.match(said[0]!, /^1\d %$/);
  assert.equal(await storage.has(base, within()), false);
  // The pattern does not match its own command line.
  assert.equal(await place.sh(`pgrep -f '[h]${web.url.slice(1)}' || :`), '');
});
