import { randomUUID } from 'node:crypto';
import type { MetadataDocument } from './types.ts';
import { userDataKind } from './user-data.ts';

/** A key pair in OpenSSH's format, as lib/ssh/keys generates it. */
export interface HostKey {
  privateKey: string;
  publicKey: string;
}

/**
 * Adds an SSH host key to a guest's metadata, so that the first connection can be verified. It becomes the first part
 * of a multi-part user-data: every datasource of cloud-init reads user-data (EC2's reads no vendor-data), and if two
 * parts set the same, the first wins. Given a key, cloud-init generates no others.
 *
 * Serve it until the first verified login, and the original document afterwards: what runs in the guest later must not
 * be able to read its private key.
 */
export function withHostKey(document: MetadataDocument, key: HostKey): MetadataDocument {
  const boundary = `recheck-${randomUUID()}`;
  const parts = [part('text/cloud-config', hostKeyConfig(key))];
  if (userDataKind(document.userData) !== 'none') parts.push(operatorPart(document.userData));
  const lines = [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    ...parts.flatMap((text) => [`--${boundary}`, text]),
    `--${boundary}--`,
    '',
  ];
  return { ...document, userData: lines.join('\n') };
}

/** Configures cloud-init's ssh module. The key is ASCII, so it needs no encoding, and plain scripts can read it too. */
function hostKeyConfig({ privateKey, publicKey }: HostKey): string {
  const lines = privateKey.trimEnd().split('\n');
  return [
    '#cloud-config',
    'ssh_deletekeys: true',
    'ssh_keys:',
    '  ed25519_private: |',
    ...lines.map((line) => `    ${line}`),
    `  ed25519_public: ${JSON.stringify(publicKey)}`,
    '',
  ].join('\n');
}

const part = (type: string, text: string): string =>
  [`Content-Type: ${type}; charset="us-ascii"`, 'MIME-Version: 1.0', '', text].join('\n');

/** Returns the operator's user-data as a part. cloud-init detects the kind of text/plain by its beginning. */
function operatorPart(text: string): string {
  if (/^(?:content-type:|mime-version:)/i.test(text)) return text;
  // The first line of an mbox is not a header.
  if (/^from /i.test(text)) return text.slice(text.indexOf('\n') + 1);
  return [
    'Content-Type: text/plain; charset="utf-8"',
    'MIME-Version: 1.0',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n'),
    '',
  ].join('\n');
}
