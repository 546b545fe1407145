import { randomUUID } from 'node:crypto';
import type { MetadataDocument } from './types.ts';
import { userDataKind } from './user-data.ts';

/** A key pair in OpenSSH's format, as lib/ssh/keys makes it. */
export interface HostKey {
  privateKey: string;
  publicKey: string;
}

/**
 * The document with an SSH host key made for the guest, so that its SSH can be verified from the first connection on.
 * It goes into user-data, which every datasource of cloud-init reads (EC2's reads no vendor-data), as the first part of a
 * multi-part; of what two parts set, cloud-init takes the first. Where it is given keys, it makes no others.
 *
 * Serve it up to the first verified login, and the document as it was from then on: whatever runs in the guest later
 * must not read its private key there.
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

/** cloud-init's ssh module; the key is ASCII, so it stands as it is and can be read by a plain script too. */
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

/** A MIME message is a part as it stands; else cloud-init tells the kind of a text/plain part by how it begins. */
function operatorPart(text: string): string {
  if (/^(?:content-type:|mime-version:)/i.test(text)) return text;
  // An mbox's first line is none of the message's headers.
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
