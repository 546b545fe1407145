import { createHash } from 'node:crypto';

/** UTF-8 bytes of a name; file systems take 255, and the rest is room for a suffix. */
const MAX_NAME_BYTES = 160;

const bytes = (text: string): number => Buffer.byteLength(text);

/** Returns at most the first `count` bytes of a text, cut between characters. */
function cut(text: string, count: number): string {
  let out = '';
  let size = 0;
  for (const character of text) {
    size += bytes(character);
    if (size > count) break;
    out += character;
  }
  return out;
}

/**
 * Returns a path segment for any text: the one place where names from Gerrit and from guests become file names. Letters
 * and digits of any script and ` ._+@=~,()-` stay, anything else becomes `_`. The result has no leading dot or dash and
 * no trailing dot or space, is never empty, and has at most 160 bytes (a shortened name has a hash of the whole before
 * its extension).
 */
export function safeName(text: string): string {
  const clean = text
    .slice(0, 4096)
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N} ._+@=~,()-]/gu, '_')
    .replace(/^[.\s-]/, '_')
    .replace(/[.\s]$/, '_');
  if (clean === '') return '_';
  if (bytes(clean) <= MAX_NAME_BYTES) return clean;
  const extension = /\.[A-Za-z0-9.]{1,15}$/.exec(clean)?.[0] ?? '';
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return `${cut(clean, MAX_NAME_BYTES - extension.length - hash.length - 1)}~${hash}${extension}`;
}

/** Returns the name, with `~2`, `~3`, … before its extension if it is taken, and adds it to `taken`. */
export function freeName(name: string, taken: Set<string>): string {
  const dot = name.lastIndexOf('.');
  const split = dot > 0 ? dot : name.length;
  let free = name;
  for (let n = 2; taken.has(free); n++) free = `${name.slice(0, split)}~${n}${name.slice(split)}`;
  taken.add(free);
  return free;
}
