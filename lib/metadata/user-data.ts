import { isMap, LineCounter, parseDocument } from 'yaml';
import { badUserData } from '../errors/metadata.ts';

/** What cloud-init takes user-data for, by how it begins. */
export type UserDataKind = 'none' | 'cloud-config' | 'script' | 'other';

/** Bytes; OpenStack takes no more. */
const LIMIT = 65_535;

/** What else cloud-init knows: multi-part MIME, jinja, include files, boothooks, gzip-less archives. */
const OTHER =
  /^(?:content-type:|mime-version:|from |## template:|#include|#cloud-boothook|#part-handler|#cloud-config-)/i;

/** The kind of this user-data. @throws CiError metadata/user-data where cloud-init would not know it */
export function userDataKind(text: string): UserDataKind {
  if (text.trim() === '') return 'none';
  if (text.startsWith('#!')) return 'script';
  if (/^#cloud-config[ \t\r]*(?:\n|$)/.test(text)) return 'cloud-config';
  if (OTHER.test(text)) return 'other';
  throw badUserData('it must begin with "#cloud-config" or, for a script, with "#!".', 1);
}

/**
 * Checks user-data as cloud-init would read it: how it begins, its size, and of a `#cloud-config` that it is YAML with
 * names at the top. A script is not looked into, nor are cloud-init's rarer kinds.
 *
 * @throws CiError metadata/user-data with the line
 */
export function checkUserData(text: string): UserDataKind {
  const kind = userDataKind(text);
  const size = Buffer.byteLength(text);
  if (size > LIMIT)
    throw badUserData(`it is ${size} bytes long, and cloud-init gets at most ${LIMIT}. Fetch the rest.`);
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
