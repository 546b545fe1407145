import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { withHostKey } from '../../lib/metadata/multipart.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';

const key = generateKeyPair('vm');
const document = { instanceId: 'i', hostname: 'vm', authorizedKeys: [], vendorData: '' };

/** Splits a MIME multi-part into its parts: headers, an empty line, the body. */
function partsOf(userData: string): { headers: string; body: string }[] {
  const boundary = /^Content-Type: multipart\/mixed; boundary="([^"]+)"\nMIME-Version: 1\.0\n\n/.exec(userData)![1]!;
  const parts = userData.split(`--${boundary}`);
  assert.equal(parts.at(-1), '--\n');
  return parts.slice(1, -1).map((part) => {
    const at = part.indexOf('\n\n');
    return { headers: part.slice(1, at), body: part.slice(at + 2) };
  });
}

test('our part comes first with the whole key; the operator’s follows unchanged', () => {
  const own = "#cloud-config\nbootcmd:\n  - echo 'root:r00tme' | chpasswd # ü\n";
  const [ours, operators, ...rest] = partsOf(withHostKey({ ...document, userData: own }, key).userData);
  assert.deepEqual(rest, []);
  assert.match(ours!.headers, /^Content-Type: text\/cloud-config;/);
  assert.ok(ours!.body.startsWith('#cloud-config\n'));
  assert.deepEqual(parse(ours!.body), {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: key.privateKey, ed25519_public: key.publicKey },
  });
  assert.match(operators!.headers, /Content-Transfer-Encoding: base64/);
  assert.equal(Buffer.from(operators!.body, 'base64').toString(), own);
});

test('without the operator’s user-data there is one part; a MIME message becomes a part unchanged', () => {
  assert.equal(partsOf(withHostKey({ ...document, userData: ' \n' }, key).userData).length, 1);
  const mime =
    'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--x--\n';
  const parts = partsOf(withHostKey({ ...document, userData: mime }, key).userData);
  assert.equal(`${parts[1]!.headers}\n\n${parts[1]!.body}`.trimEnd(), mime.trimEnd());
  assert.equal(document.hostname, withHostKey({ ...document, userData: '' }, key).hostname);
});
