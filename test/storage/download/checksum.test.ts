import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findChecksum, readChecksum } from '../../../lib/storage/download/checksum.ts';

const A = 'ab'.repeat(32);
const B = 'cd'.repeat(32);
const LONG = 'ef'.repeat(64);
const NAME = '/images/trixie/debian-13-generic-amd64.qcow2';

test('a checksum may have the name of its algorithm, and may be the URL of a file', () => {
  assert.equal(readChecksum('base', ' '), undefined);
  assert.deepEqual(readChecksum('base', ` ${A.toUpperCase()} `), { algorithm: 'sha256', hex: A });
  assert.deepEqual(readChecksum('base', LONG), { algorithm: 'sha512', hex: LONG });
  assert.deepEqual(readChecksum('base', `SHA256:${A}`), { algorithm: 'sha256', hex: A });
  assert.deepEqual(readChecksum('base', `sha512:${LONG}`), { algorithm: 'sha512', hex: LONG });
  for (const url of ['https://example.com/SHA512SUMS', 'http://example.com/CHECKSUM', 'file:///srv/SHA256SUMS']) {
    assert.deepEqual(readChecksum('base', ` ${url} `), { url });
  }
});

test('text that cannot be a checksum is refused', () => {
  const bad = [
    'ab',
    A.slice(1),
    'ab'.repeat(16),
    `sha512:${A}`,
    `sha256:${LONG}`,
    `md5:${A}`,
    `${A}  a.img`,
    'zz'.repeat(32),
  ];
  for (const text of [...bad, 'ftp://example.com/SHA256SUMS', 'SHA256SUMS', 'file://host/SUMS', 'https://']) {
    assert.throws(
      () => readChecksum('base', text),
      { code: 'image/bad-checksum', message: /Image base: .*SHA256SUMS/ },
      text,
    );
  }
});

test('the line of the image is found in each layout that distributions publish', () => {
  const layouts = {
    coreutils: `${B}  other.qcow2\n${A}  debian-13-generic-amd64.qcow2\n`,
    binary: `${B} *other.qcow2\n${A} *debian-13-generic-amd64.qcow2\n`,
    bsd: `SHA256 (other.qcow2) = ${B}\nSHA256 (debian-13-generic-amd64.qcow2) = ${A.toUpperCase()}\n`,
    signed: `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# debian-13-generic-amd64.qcow2: 5 bytes\nSHA256 (debian-13-generic-amd64.qcow2) = ${A}\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB${'x'.repeat(56)}\n=abcd\n-----END PGP SIGNATURE-----\n`,
    bare: `${A}\n`,
    stdin: `${A}  -\n`,
    windows: `\ufeff${B}  other.qcow2\r\n${A}  debian-13-generic-amd64.qcow2\r\n`,
    folder: `${B}  ./other.qcow2\n${A}  ./debian-13-generic-amd64.qcow2`,
    'other sums beside it': `MD5 (debian-13-generic-amd64.qcow2) = ${'0'.repeat(32)}\nSHA3-256 (debian-13-generic-amd64.qcow2) = ${B}\nSHA256 (debian-13-generic-amd64.qcow2) = ${A}\n`,
    twice: `${A}  debian-13-generic-amd64.qcow2\n${A}  debian-13-generic-amd64.qcow2\n`,
    'in another folder too': `${B}  bookworm/debian-13-generic-amd64.qcow2\n${A}  trixie/debian-13-generic-amd64.qcow2\n`,
  };
  for (const [name, text] of Object.entries(layouts)) {
    assert.deepEqual(findChecksum(text, NAME), { algorithm: 'sha256', hex: A }, name);
  }
});

test('the length determines the algorithm, and SHA-512 is preferred', () => {
  assert.deepEqual(findChecksum(`${LONG}  a.img\n`, '/a.img'), { algorithm: 'sha512', hex: LONG });
  assert.deepEqual(findChecksum(`${A}  a.img\n${LONG}  a.img\n`, '/a.img'), { algorithm: 'sha512', hex: LONG });
  // The name of the algorithm must match.
  assert.match(String(findChecksum(`SHA512 (a.img) = ${A}\n`, '/a.img')), /no SHA-256/);
});

test('names may have spaces, parentheses and escapes', () => {
  const hex = { algorithm: 'sha256', hex: A };
  assert.deepEqual(findChecksum(`${A}  a b (1).img\n`, '/x/a b (1).img'), hex);
  assert.deepEqual(findChecksum(`SHA256 (a b (1).img) = ${A}\n`, '/x/a b (1).img'), hex);
  assert.deepEqual(findChecksum(`\\${A}  a\\\\b.img\n`, '/x/a\\b.img'), hex);
});

test('a checksum file without the image says so, with a few names that it lists', () => {
  const many = Array.from({ length: 200 }, (_, i) => `${A}  image-${i}.qcow2\n`).join('');
  const why = String(findChecksum(many, NAME));
  assert.match(why, /does not list "debian-13-generic-amd64\.qcow2".*"image-0\.qcow2".*192 more/);
  assert(why.length < 1000, why);
  assert.match(String(findChecksum(`${A}  \x1b[31mred${'x'.repeat(500)}\n`, NAME)), /"\?\[31mredx{60,90}…"/);
  assert.match(String(findChecksum('<!DOCTYPE html><title>Log in</title>', NAME)), /web page/);
  assert.match(String(findChecksum('', NAME)), /no SHA-256 or SHA-512/);
  assert.match(String(findChecksum(`${'0'.repeat(32)}  debian-13-generic-amd64.qcow2`, NAME)), /no SHA-256 or SHA-512/);
  // Of two files, or of another one.
  assert.match(String(findChecksum(`${A}\n${B}\n`, NAME)), /does not say which/);
  assert.match(String(findChecksum(`${A}  other.qcow2\n`, NAME)), /does not list/);
  assert.match(String(findChecksum(`${A}  x/a.img\n${B}  y/a.img\n`, '/z/a.img')), /two different/);
});
