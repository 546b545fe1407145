import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { CiError } from '../../lib/errors/ci-error.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { callOptions } from './storage-place.ts';
import { UrlImages } from './url-images.ts';

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

let raw: Buffer;
const on = UrlImages.forFile(async (place) => {
  const file = `${place.root}-made`;
  await place.sh(`qemu-img create -q -f qcow2 '${file}.qcow2' 64M
    qemu-io -f qcow2 -c 'write -q -P 7 1M 8M' '${file}.qcow2'
    truncate -s 4M '${file}.raw'; printf '\\125\\252' | dd of='${file}.raw' bs=1 seek=510 conv=notrunc 2>/dev/null`);
  const read = async (path: string) => Buffer.from(await place.sh(`gzip <'${path}' | base64 -w0`), 'base64');

  const content = gunzipSync(await read(`${file}.qcow2`));
  raw = gunzipSync(await read(`${file}.raw`));
  return content;
});
const disk = (of: ImageSpec) => `${on.place.root}/base@${of.key}/vda.qcow2`;
const size = async (of: ImageSpec) =>
  await on.place.sh(`qemu-img info --output=json '${disk(of)}' | grep virtual-size`);
const refused = (code: string, words: RegExp) => (error: unknown) => {
  assert(error instanceof CiError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

test('an image is downloaded, checked and grown, and reports its progress', async () => {
  const base = on.image({ sha256: sha256(on.content).toUpperCase(), diskSize: 1 });
  const progress: string[] = [];
  await on.storage.make(base, { ...callOptions(), onProgress: (text) => progress.push(text) });
  assert.equal(await on.storage.has(base, callOptions()), true);
  assert.match(await size(base), / 1073741824,/);
  assert.equal(await on.place.sh(`ls -A '${on.place.root}/base@${base.key}'`), '.image\nvda.qcow2');
  assert.deepEqual(progress.slice(-3), ['100 %', 'checking', 'finishing']);
});

test('an interrupted download is resumed', async () => {
  on.web.breaks.push(3_000_000, 6_000_000);
  const base = on.image({ sha256: sha256(on.content) });
  await on.storage.make(base, callOptions());
  const [first, second, third] = on.web.ranges;
  assert.equal(first, undefined);
  assert.match(second!, /^bytes=[1-9]\d+-$/);
  assert.match(third!, /^bytes=[1-9]\d+-$/);
  await on.place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
});

test('a download that is interrupted three times fails with its progress, and the next one resumes it', async () => {
  on.web.breaks.push(2_000_000, 4_000_000, 6_000_000);
  const base = on.image();
  await assert.rejects(
    on.storage.make(base, callOptions()),
    refused('image/download-ended', /ended at \d of \d MB \(.*\)\. It was tried 3 times/),
  );
  assert.equal(await on.storage.has(base, callOptions()), false);
  await on.storage.make(base, callOptions());
  assert.match(on.web.ranges.at(-1)!, /^bytes=[1-9]\d+-$/);
  await on.place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
});

test('a file that has changed in the meantime is downloaded from the start', async () => {
  on.web.breaks.push(2_000_000, 2_000_000, 2_000_000);
  const base = on.image();
  await assert.rejects(on.storage.make(base, callOptions()));
  on.web.content = raw;
  on.web.etag = '"2"';
  await on.storage.make(base, callOptions());
  assert.equal((await size(base)).trim(), '"virtual-size": 4194304,');
});

test('a wrong checksum, a missing file and an unreachable server are reported, and no image is kept', async () => {
  const wrong = on.image({ sha256: '0'.repeat(64) });
  await assert.rejects(
    on.storage.make(wrong, callOptions()),
    refused('image/checksum', new RegExp(sha256(on.content))),
  );
  on.web.status = 404;
  const missing = on.image();
  await assert.rejects(on.storage.make(missing, callOptions()), refused('image/not-found', /the server answered 404/));
  assert.equal(on.web.ranges.length, 2);
  const gone = on.image({ url: 'http://127.0.0.1:9/base.img' });
  await assert.rejects(
    on.storage.make(gone, callOptions()),
    refused('image/download-ended', /ended at 0 MB .*127\.0\.0\.1/),
  );
  for (const each of [wrong, missing, gone]) assert.equal(await on.storage.has(each, callOptions()), false);
});

test('a file is refused if it is not a disk image, refers to other files or is too large', async () => {
  on.web.content = Buffer.from('<!DOCTYPE html><title>Log in</title>');
  await assert.rejects(on.storage.make(on.image(), callOptions()), refused('image/no-image', /web page/));
  on.web.content = Buffer.from('1f8b08000000', 'hex');
  await assert.rejects(on.storage.make(on.image(), callOptions()), refused('image/no-image', /gzip/));
  on.web.content = Buffer.alloc(1 << 20);
  await assert.rejects(on.storage.make(on.image(), callOptions()), refused('image/no-image', /no boot sector/));
  const path = `${on.place.root}-backed.qcow2`;
  await on.place.sh(`qemu-img create -q -f qcow2 -F raw -b /etc/hostname '${path}' 1M`);
  await assert.rejects(
    on.storage.make(on.image({ url: `file://${path}` }), callOptions()),
    refused('image/no-image', /its backing file/),
  );
  on.web.content = on.content;
  await assert.rejects(
    on.storage.make(on.image({ diskSize: 0.01 }), callOptions()),
    refused('image/disk-size', /can only grow/),
  );
});

test('an image cannot make the worker read a file that it names', async () => {
  const secret = `${on.place.root}-secret`;
  await on.place.sh(`head -c 1M /dev/urandom >'${secret}'; sync
    qemu-img create -q -f qcow2 -o data_file='${secret}2',data_file_raw=on '${secret}.qcow2' 1M`);
  const descriptor = (more: string) => `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 2048 FLAT "${secret}" 0
${more}`;
  on.web.content = Buffer.from(descriptor(''));
  await assert.rejects(
    on.storage.make(on.image(), callOptions()),
    refused('image/format', /format "vmdk", which is not supported/),
  );
  // If it is a boot sector at the same time, or starts with a blank line, it is treated as raw only.
  const boots = Buffer.alloc(4096);
  boots.write(descriptor(`#${'x'.repeat(60)}\n`).replace('# Disk', '\n# Disk'));
  boots.set([0x55, 0xaa], 510);
  on.web.content = boots;
  const raw = on.image();
  await on.storage.make(raw, callOptions());
  assert.match(await size(raw), / 4096,/);
  await assert.rejects(
    on.storage.make(on.image({ url: `file://${secret}.qcow2` }), callOptions()),
    refused('image/no-image', /its data file/),
  );
});

test('a VDI, VHDX or VHD is converted', async () => {
  for (const format of ['vdi', 'vhdx', 'vpc']) {
    const file = `${on.place.root}-made.${format}`;
    await on.place.sh(`qemu-img convert -f qcow2 -O ${format} '${on.place.root}-made.qcow2' '${file}'`);
    const base = on.image({ url: `file://${file}` });
    await on.storage.make(base, callOptions());
    await on.place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 7 1M 8M' '${disk(base)}'`);
  }
});

test('a raw file on the worker is converted', async () => {
  const base = on.image({ url: `file://${on.place.root}-made.raw`, diskSize: 0.5 });
  const progress: string[] = [];
  await on.storage.make(base, { ...callOptions(), onProgress: (text) => progress.push(text) });
  assert.deepEqual(progress, ['converting from raw']);
  assert.match(await size(base), / 536870912,/);
  const none = on.image({ url: 'file:///nowhere.img' });
  await assert.rejects(on.storage.make(none, callOptions()), refused('image/not-found', /no such file on worker test/));
});

test('an aborted download stops, and leaves no process', async () => {
  on.web.stallAt = 1_000_000;
  const base = on.image();
  const stop = new AbortController();
  const progress: string[] = [];
  const slow = on.storage.make(base, {
    signal: stop.signal,
    onProgress: (text) => {
      progress.push(text);
      stop.abort(new Error('enough'));
    },
  });
  await assert.rejects(slow, /enough/);
  assert.match(progress[0]!, /^1\d %$/);
  assert.equal(await on.storage.has(base, callOptions()), false);
  // The brackets keep pgrep from matching its own command line.
  assert.equal(await on.place.sh(`pgrep -f '[h]${on.web.url.slice(1)}' || :`), '');
});
