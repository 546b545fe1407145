import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CiError } from '../../lib/errors/ci-error.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { callOptions, mountFileSystem } from './storage-place.ts';
import { UrlImages } from './url-images.ts';

const hash = (algorithm: string, content: Buffer) => createHash(algorithm).update(content).digest('hex');

let made: string;
const on = UrlImages.forFile(async (place) => {
  // Beside the mount point, so that this process can read it too.
  made = `${place.root}-made`;
  await place.sh(`mkdir '${made}'; cd '${made}'
    head -c 3M /dev/urandom >data
    qemu-img create -q -f qcow2 disk.qcow2 64M
    qemu-io -f qcow2 -c 'write -q -s data 1M 3M' disk.qcow2
    qemu-img convert -c -f qcow2 -O qcow2 disk.qcow2 small.qcow2
    for tool in xz gzip zstd bzip2; do "$tool" -q -c disk.qcow2 >"disk.$tool"; done`);
  return await readFile(`${made}/disk.qcow2`);
});
const file = (name: string) => `file://${made}/${name}`;
const url = (path: string) => new URL(path, on.web.url).href;

/** Builds the image and checks its data. */
async function makes(of: ImageSpec): Promise<void> {
  await on.storage.make(of, callOptions());
  await on.place.sh(`cd '${on.place.root}/base@${of.key}'; qemu-img convert -f qcow2 -O raw vda.qcow2 '${made}/raw'
    dd if='${made}/raw' bs=1M skip=1 count=3 2>/dev/null | cmp - '${made}/data'; rm '${made}/raw'`);
}

/** Checks that the image is refused with an error that names the image and the worker, and that nothing is left. */
async function refuses(of: ImageSpec, code: string, words: RegExp): Promise<void> {
  await assert.rejects(on.storage.make(of, callOptions()), (error) => {
    assert(error instanceof CiError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    assert.match(error.message, /^Image base: .*worker test/);
    return true;
  });
  assert.equal(await on.place.sh(`ls -A '${on.place.root}' | grep '@${of.key}$' || :`), '');
}

test('a compressed image is unpacked whatever its name, and its checksum is that of the published file', async () => {
  for (const tool of ['xz', 'gzip', 'zstd', 'bzip2']) {
    const packed = await readFile(`${made}/disk.${tool}`);
    on.web.content = packed;
    await makes(on.image({ sha256: `sha512:${hash('sha512', packed)}` }));
    await makes(on.image({ url: file(`disk.${tool}`), sha256: hash('sha256', packed) }));
  }
  await on.place.sh(`cp '${made}/disk.qcow2' '${made}/plain.qcow2.xz'`);
  await makes(on.image({ url: file('plain.qcow2.xz') }));
});

test('a compressed file is refused if it is cut off, damaged, compressed twice or contains no disk', async () => {
  for (const tool of ['xz', 'gzip', 'zstd', 'bzip2']) {
    const packed = await readFile(`${made}/disk.${tool}`);
    on.web.noLength = true;
    on.web.content = packed.subarray(0, packed.length - 100);
    await refuses(on.image(), 'image/no-image', new RegExp(`${tool}.*damaged or cut off: \\S`));
  }
  await on.place.sh(`cd '${made}'; gzip -c disk.xz >twice.gz; tar -czf disk.tar.gz disk.qcow2
    qemu-img create -q -f qcow2 -F raw -b /etc/hostname backed.qcow2 1M; xz -f backed.qcow2; echo hello | gzip >text.gz`);
  await refuses(on.image({ url: file('twice.gz') }), 'image/no-image', /compressed twice \(xz in gzip\)/);
  await refuses(on.image({ url: file('disk.tar.gz') }), 'image/no-image', /tar archive/);
  await refuses(on.image({ url: file('backed.qcow2.xz') }), 'image/no-image', /its backing file/);
  await refuses(on.image({ url: file('text.gz') }), 'image/no-image', /a text.*"hello"/);
});

test('unpacking stops if the file exceeds the disk size', async () => {
  await on.place.sh(`truncate -s 400M '${made}/zeros'; gzip -1 '${made}/zeros'`);
  await refuses(
    on.image({ url: file('zeros.gz'), diskSize: 0.1 }),
    'image/too-large',
    /unpacks to more than 0\.35 GiB/,
  );
  on.web.files.set('/large', (response) => {
    response.writeHead(200, { 'content-length': String(2 ** 50) }).write('x');
  });
  await refuses(on.image({ url: url('/large') }), 'image/too-large', /has more than 256 GiB/);
});

test('neither a file that unpacks to more than the free space nor an endless download fills the disk', async () => {
  // ext4 reports its free space exactly, and immediately.
  const small = await mountFileSystem('directory', '200M');
  try {
    const there = hostStorage({ kind: 'directory', place: small.place, host: async () => small.host });
    const free = async () => Number(await small.sh(`stat -f -c '%a' '${small.root}'`));
    const before = await free();
    await small.sh(`yes | head -c 300M | gzip -1 >'${small.root}-bomb.gz'`);
    await assert.rejects(there.make(on.image({ url: `file://${small.root}-bomb.gz` }), callOptions()), {
      code: 'storage/disk-full',
      message: /needs more space than the disk of worker test has: a twentieth of it/,
    });
    const chunk = randomBytes(1 << 20);
    on.web.files.set('/endless', (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    await assert.rejects(there.make(on.image({ url: url('/endless') }), callOptions()), {
      code: 'storage/disk-full',
    });
    assert(before - (await free()) < 100, `${before} blocks were free, now ${await free()}`);
  } finally {
    await small.close();
  }
});

test('if the program that unpacks an image is missing, the error says what to install', async () => {
  const xz = await on.place.sh('command -v xz');
  await on.place.sh(`mount --bind /dev/null '${xz}'`);
  try {
    await assert.rejects(on.storage.make(on.image({ url: file('disk.xz') }), callOptions()), {
      code: 'storage/no-command',
      message: /worker test: the command xz .*apt-get install xz-utils/,
    });
  } finally {
    await on.place.sh(`umount '${xz}'`);
  }
});

test('a truncated disk is refused wherever it ends, both from a server that sends no length and from a file', async () => {
  on.web.noLength = true;
  const small = await readFile(`${made}/small.qcow2`);
  const cuts: [Buffer, number[]][] = [
    [on.content, [on.content.length - 10, on.content.length - 70_000, 1_000_000, 200_000, 40_000, 400]],
    [small, [small.length - 1000, small.length - 100_000, 300_000]],
  ];
  for (const [whole, lengths] of cuts) {
    for (const length of lengths) {
      on.web.content = whole.subarray(0, length);
      await refuses(on.image(), 'image/no-image', /cut off|ends before/);
    }
    on.web.content = whole;
    await makes(on.image());
  }
  await on.place.sh(`cd '${made}'
    for format in vdi vhdx vpc; do
      qemu-img convert -f qcow2 -O $format disk.qcow2 disk.$format
      head -c -70000 disk.$format >cut.$format
    done
    truncate -s 8M raw.img; echo 'start=2048, size=10240' | sfdisk -q raw.img; head -c 4M raw.img >cut.raw`);
  for (const format of ['vdi', 'vhdx', 'vpc', 'raw']) {
    await refuses(on.image({ url: file(`cut.${format}`) }), 'image/no-image', /cut off/);
  }
  for (const whole of ['disk.vdi', 'disk.vhdx', 'disk.vpc']) await makes(on.image({ url: file(whole) }));
  await on.storage.make(on.image({ url: file('raw.img') }), callOptions());
});

test('a damaged disk is refused; one with a snapshot, or one that was not closed cleanly, is accepted', async () => {
  await on.place.sh(`cd '${made}'
    cp disk.qcow2 damaged.qcow2; dd if=/dev/urandom of=damaged.qcow2 bs=64k seek=4 count=1 conv=notrunc 2>/dev/null
    cp disk.qcow2 snapshot.qcow2; qemu-img snapshot -c before snapshot.qcow2
    cp disk.qcow2 dirty.qcow2; printf '\\001' | dd of=dirty.qcow2 bs=1 seek=79 conv=notrunc 2>/dev/null
    cp disk.qcow2 corrupt.qcow2; printf '\\002' | dd of=corrupt.qcow2 bs=1 seek=79 conv=notrunc 2>/dev/null
    cp disk.qcow2 locked.qcow2; printf '\\002' | dd of=locked.qcow2 bs=1 seek=35 conv=notrunc 2>/dev/null
    qemu-img create -q -f qcow2 huge.qcow2 100T`);
  await refuses(on.image({ url: file('damaged.qcow2') }), 'image/no-image', /damaged or cut off/);
  await refuses(on.image({ url: file('corrupt.qcow2') }), 'image/no-image', /marked as corrupt/);
  await refuses(on.image({ url: file('locked.qcow2') }), 'image/no-image', /encrypted/);
  await refuses(on.image({ url: file('huge.qcow2') }), 'image/no-image', /larger than 65536 GiB/);
  await makes(on.image({ url: file('snapshot.qcow2') }));
  await makes(on.image({ url: file('dirty.qcow2') }));
});

test('an error says what a file is if it is not a disk', async () => {
  const cases: [string | Buffer, RegExp][] = [
    ['', /it is empty/],
    ['\n<html><body>Please log in</body></html>', /web page.*login/],
    ['{"error": "not found"}', /JSON document.*"\{"error"/],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n', /Git LFS pointer/],
    [randomBytes(4096).fill(0, 510, 512), /no boot sector/],
  ];
  for (const [body, words] of cases) {
    on.web.content = Buffer.from(body);
    for (const noLength of [false, true]) {
      on.web.noLength = noLength;
      await refuses(on.image(), 'image/no-image', words);
    }
  }
  const iso = Buffer.alloc(40_000);
  iso.set([0x55, 0xaa], 510);
  iso.write('CD001', 32_769);
  on.web.content = gzipSync(iso);
  await refuses(on.image(), 'image/no-image', /ISO 9660/);
});

test('an image for another architecture is refused by its name before the download, or by its partitions after it', async () => {
  const other = process.arch === 'arm64' ? 'amd64' : 'arm64';
  await refuses(
    on.image({ url: url(`/debian-13-${other}.qcow2`) }),
    'image/architecture',
    /according to its name, but worker test is/,
  );
  await refuses(
    on.image({ url: url('/s390x/latest/base.img') }),
    'image/architecture',
    /for s390x according to its name/,
  );
  assert.equal(on.web.ranges.length, 0);
  const [own, foreign] = process.arch === 'arm64' ? ['AA64', 'X64'] : ['X64', 'AA64'];
  // The GPT types of root partitions for x86_64 and aarch64.
  const [x64, arm64] = ['4f68bce3-e8cd-4db1-96e7-fbcaf984b709', 'b921b045-1df0-41c3-af44-4c6f280d3fae'];
  const foreignRoot = process.arch === 'arm64' ? x64 : arm64;
  await on.place.sh(`cd '${made}'
    esp() {
      truncate -s 8M esp.img; mkfs.vfat esp.img >/dev/null
      mmd -i esp.img ::/EFI ::/EFI/BOOT ::/EFI/debian; : >empty
      for name; do mcopy -i esp.img empty "::/EFI/BOOT/BOOT$name.EFI"; done
    }
    disk() {
      rm -f uefi.img; truncate -s 16M uefi.img
      printf 'label: gpt\\nstart=2048, size=16384, type=U\\nstart=18432, size=8192, type=%s\\n' "$2" | sfdisk -q uefi.img
      dd if=esp.img of=uefi.img bs=1M seek=1 conv=notrunc 2>/dev/null
      qemu-img convert -f raw -O qcow2 uefi.img "$1"
    }
    esp ${foreign}; disk foreign.qcow2 L
    esp ${foreign} ${own}; disk both.qcow2 L
    esp ${own}; disk own.qcow2 ${foreignRoot}
    esp; disk root.qcow2 ${foreignRoot}; disk none.qcow2 L`);
  await refuses(on.image({ url: file('foreign.qcow2') }), 'image/architecture', /according to its EFI boot file/);
  await refuses(on.image({ url: file('root.qcow2') }), 'image/architecture', /according to its root partition's type/);
  for (const name of ['both', 'own', 'none'])
    await on.storage.make(on.image({ url: file(`${name}.qcow2`) }), callOptions());
});

test('the checksum is read from a checksum file as distributions publish it, and again for each image', async () => {
  const sums = url('/SHA512SUMS');
  on.web.files.set('/SHA512SUMS', `${'0'.repeat(128)}  other.img\n${hash('sha512', on.content)}  base.img\n`);
  await makes(on.image({ sha256: sums }));
  on.web.files.set('/SHA512SUMS', `SHA256 (base.img) = ${hash('sha256', Buffer.from('new'))}\n`);
  await refuses(on.image({ sha256: sums }), 'image/checksum', /the SHA-256 of .*SHA512SUMS lists /);
  await on.place.sh(`cd '${made}'; sha256sum disk.qcow2 >SHA256SUMS`);
  await makes(on.image({ url: file('disk.qcow2'), sha256: file('SHA256SUMS') }));
});

test('an unusable checksum file is refused before the image is downloaded', async () => {
  const sums = url('/SUMS');
  const cases: [string | ((response: import('node:http').ServerResponse) => void), RegExp][] = [
    [`${'0'.repeat(64)}  other.img\n`, /does not list "base\.img"\. It lists "other\.img"/],
    ['<!DOCTYPE html><title>Log in</title>', /it is a web page/],
    ['', /no SHA-256 or SHA-512/],
    [(response) => response.writeHead(404).end(), /the server answered 404/],
    [(response) => response.end('x'.repeat(5 << 20)), /larger than 4 MiB/],
  ];
  for (const [answer, words] of cases) {
    on.web.files.set('/SUMS', answer);
    await refuses(on.image({ sha256: sums }), 'image/checksum-file', words);
  }
  await refuses(on.image({ sha256: 'file:///nowhere/SUMS' }), 'image/checksum-file', /does not exist/);
  assert.equal(on.web.ranges.length, 0);
});

test('an image of a file on the worker is built again only if the content of the file changes', async () => {
  await on.place.sh(`cp '${made}/disk.qcow2' '${made}/own.qcow2'`);
  const own = on.image({ url: file('own.qcow2') });
  await makes(own);
  assert.equal(await on.storage.has(own, callOptions()), true);
  await on.place.sh(
    `cd '${made}'; qemu-img convert -c -f qcow2 -O qcow2 disk.qcow2 new.qcow2 && mv new.qcow2 own.qcow2`,
  );
  assert.equal(await on.storage.has(own, callOptions()), false);
  await makes(own);
  // A deleted file cannot be copied again, so the image stays valid.
  await on.place.sh(`rm '${made}/own.qcow2'`);
  assert.equal(await on.storage.has(own, callOptions()), true);
});
