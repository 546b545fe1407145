import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { generateKeyPair, publicKeyOf } from '../../lib/ssh/keys.ts';

const encryptedRsa = (passphrase: string): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs1',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase,
  }) as string;

const refusal = (code: string) => (error: CiError) => error.code === code;

test('every generated pair matches and can be read', () => {
  for (let i = 0; i < 300; i++) {
    const pair = generateKeyPair(`recheck ${i}`);
    const key = ssh2.utils.parseKey(pair.privateKey);
    assert.ok(!(key instanceof Error));
    assert.equal(publicKeyOf(pair.privateKey), pair.publicKey);
    const signature = key.sign(Buffer.from('data'));
    const other = ssh2.utils.parseKey(pair.publicKey);
    assert.ok(!(other instanceof Error) && other.verify(Buffer.from('data'), signature));
  }
});

test('a comment cannot add a second line', () => {
  const { publicKey, privateKey } = generateKeyPair('a\nssh-rsa AAAA evil');
  assert.equal(publicKey.split('\n').length, 1);
  assert.match(publicKeyOf(privateKey), / a ssh-rsa AAAA evil$/);
});

test('a key that was pasted with other line ends, or without the last one, is read', () => {
  const { privateKey, publicKey } = generateKeyPair('me');
  assert.equal(publicKeyOf(`\n  ${privateKey.trim().replaceAll('\n', '\r\n')}`), publicKey);
});

test('an encrypted key needs its passphrase, and the right one', () => {
  const key = encryptedRsa('secret');
  assert.match(publicKeyOf(key, 'secret'), /^ssh-rsa AAAA/);
  assert.throws(() => publicKeyOf(key), refusal('ssh/passphrase-missing'));
  assert.throws(() => publicKeyOf(key, ''), refusal('ssh/passphrase-missing'));
  assert.throws(() => publicKeyOf(key, 'wrong'), refusal('ssh/passphrase-wrong'));
});

test('text that is not a private key is refused with a clear message', () => {
  assert.throws(() => publicKeyOf(' '), refusal('ssh/key-missing'));
  assert.throws(() => publicKeyOf('hello'), refusal('ssh/key-unreadable'));
  assert.throws(() => publicKeyOf(generateKeyPair('').privateKey.slice(0, 200)), refusal('ssh/key-unreadable'));
  assert.throws(() => publicKeyOf(generateKeyPair('').publicKey), /public key.*private one/);
});
