import { isMap, LineCounter, parseDocument } from 'yaml';
import { badUserData } from '../errors/metadata.ts';

/** The kind of user-data, which cloud-init detects by its beginning. */
export type UserDataKind = 'none' | 'cloud-config' | 'script' | 'other';

/** OpenStack's limit. */
const MAX_USER_DATA_BYTES = 65_535;

/** Other kinds that cloud-init knows: multi-part MIME, jinja, include files, boothooks, uncompressed archives. */
const OTHER =
  /^(?:content-type:|mime-version:|from |## template:|#include|#cloud-boothook|#part-handler|#cloud-config-)/i;

/** Returns the kind of user-data. @throws CiError metadata/user-data if cloud-init would not recognize it */
export function userDataKind(text: string): UserDataKind {
  if (text.trim() === '') return 'none';
  if (text.startsWith('#!')) return 'script';
  if (/^#cloud-config[ \t\r]*(?:\n|$)/.test(text)) return 'cloud-config';
  if (OTHER.test(text)) return 'other';
  throw badUserData('it must begin with "#cloud-config" or, for a script, with "#!".', 1);
}

/**
 * Checks user-data as cloud-init would: its beginning, its size, and that a `#cloud-config` is a YAML mapping. Scripts
 * and rarer kinds are not parsed.
 *
 * @throws CiError metadata/user-data with the line
 */
export function checkUserData(text: string): UserDataKind {
  const kind = userDataKind(text);
  const size = Buffer.byteLength(text);
  if (size > MAX_USER_DATA_BYTES)
    throw badUserData(`it is ${size} bytes long, and cloud-init gets at most ${MAX_USER_DATA_BYTES}. Fetch the rest.`);
  if (kind === 'cloud-config') checkCloudConfig(text);
  return kind;
}

function checkCloudConfig(text: string): void {
  const lines = new LineCounter();
  // cloud-init's parser reads YAML 1.1.
  const document = parseDocument(text, { version: '1.1', lineCounter: lines, prettyErrors: false });
  const error = document.errors[0];
  if (error) throw badUserData(`it is not YAML: ${error.message}`, lines.linePos(error.pos[0]).line);
  const { contents } = document;
  if (contents === null || isMap(contents)) return;
  throw badUserData('a #cloud-config holds "name: value" at its top.', lines.linePos(contents.range?.[0] ?? 0).line);
}
