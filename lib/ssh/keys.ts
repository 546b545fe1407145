import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import ssh2, { type ParsedKey } from 'ssh2';
import { keyUnreadable, noKey, passphraseMissing, passphraseWrong, publicNotPrivate } from '../errors/ssh.ts';

const TYPE = 'ssh-ed25519';

/** Encodes an SSH string: its length in four bytes, then its bytes (RFC 4251, section 5). */
function sshString(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/**
 * Generates an ed25519 key pair in OpenSSH's format (PROTOCOL.key of OpenSSH), without a passphrase. Implemented here
 * because ssh2's own generator strips leading zero bytes, so that one pair in 256 is unreadable (mscdex/ssh2#1390).
 *
 * @param comment the end of the public line; its white space becomes single spaces
 */
export function generateKeyPair(comment: string): { privateKey: string; publicKey: string } {
  const words = comment.replace(/\s+/g, ' ').trim();
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d!, 'base64url');
  const point = Buffer.from(jwk.x!, 'base64url');
  const publicBlob = Buffer.concat([sshString(TYPE), sshString(point)]);
  const check = randomBytes(4);
  const inner = Buffer.concat([
    check,
    check,
    publicBlob,
    sshString(Buffer.concat([seed, point])),
    sshString(Buffer.from(words)),
  ]);
  // Padded to the block size of the cipher "none", 8, with 1, 2, 3, …
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (inner.length % 8)) % 8));
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    Buffer.from([0, 0, 0, 1]),
    sshString(publicBlob),
    sshString(Buffer.concat([inner, padding])),
  ]);
  const lines = whole.toString('base64').match(/.{1,70}/g)!;
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `${TYPE} ${publicBlob.toString('base64')} ${words}`.trimEnd(),
  };
}

/**
 * Parses a private key as a person pasted it: OpenSSH, PEM (PKCS#1, SEC 1) or PuTTY text.
 *
 * @throws CiError if it is empty, unreadable or a public key, or its passphrase is missing or wrong
 */
export function readPrivateKey(privateKey: string, passphrase?: string): ParsedKey {
  const text = normalKey(privateKey);
  if (text === '') throw noKey();
  let parsed: ParsedKey | Error;
  try {
    // The parser returns a list if a file contains several keys.
    parsed = [ssh2.utils.parseKey(text, passphrase || undefined)].flat()[0]!;
  } catch (error) {
    parsed = error as Error;
  }
  if (parsed instanceof Error) {
    if (/no passphrase given/.test(parsed.message)) throw passphraseMissing();
    if (passphrase && isEncrypted(text)) throw passphraseWrong(parsed);
    throw keyUnreadable(parsed);
  }
  if (!parsed.isPrivateKey()) throw publicNotPrivate();
  return parsed;
}

/** Returns the text that parsers expect: a pasted key may have lost its last line end, or contain CRs. */
const normalKey = (text: string): string => {
  const trimmed = text.replaceAll('\r\n', '\n').trim();
  return trimmed && `${trimmed}\n`;
};

const isEncrypted = (text: string): boolean => /no passphrase given/.test(String(ssh2.utils.parseKey(text)));

/**
 * Returns the public line (`ssh-ed25519 AAAA… comment`) of a private key, for an authorized_keys file.
 *
 * @throws CiError as `readPrivateKey` does
 */
export function publicKeyOf(privateKey: string, passphrase?: string): string {
  const key = readPrivateKey(privateKey, passphrase);
  return `${key.type} ${key.getPublicSSH().toString('base64')} ${key.comment ?? ''}`.trimEnd();
}

/** Returns the fingerprint `SHA256:…` of a public key in SSH's wire format, as `ssh-keygen -l` shows it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
