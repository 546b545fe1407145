import { badChecksum } from '../../errors/image-download.ts';

/** A checksum of a file. */
export interface Checksum {
  algorithm: 'sha256' | 'sha512';
  /** Lower case. */
  hex: string;
}

/** File names that a message quotes of a checksum file, and characters of each. */
const MAX_NAME_COUNT = 8;
const MAX_NAME_CHARS = 80;

/**
 * Parses the Checksum setting of an image: a SHA-256 or SHA-512 as hexadecimal digits, with or without `sha256:` or
 * `sha512:` before it, or the URL of a file such as SHA256SUMS. Returns undefined if it is empty.
 *
 * @throws CiError if it is none of these
 */
export function readChecksum(image: string, text: string): Checksum | { url: string } | undefined {
  const setting = text.trim();
  if (setting === '') return undefined;
  if (/^(https?:\/\/|file:\/\/\/)\S+$/i.test(setting) && URL.canParse(setting)) return { url: setting };
  const [, algorithm, hex = ''] = /^(?:(sha256|sha512):)?([0-9a-f]*)$/i.exec(setting) ?? [];
  const checksum = checksumOf(hex, algorithm);
  if (checksum === undefined) throw badChecksum(image, setting);
  return checksum;
}

/**
 * Finds the checksum of a file in the text of a checksum file: lines as `sha256sum` prints them, with or without `*` for
 * binary mode and `\` for escapes, BSD's `SHA256 (name) = hex` (`sha256sum --tag`), or one checksum without a name. Other
 * lines, such as those of an OpenPGP signature, are ignored. The signature is not verified.
 *
 * @param path decoded path of the file's URL: its last part is the name, folders before it decide between several
 * @returns the checksum (SHA-512 if there are both), or the reason why there is none, as it follows "it"
 */
export function findChecksum(text: string, path: string): Checksum | string {
  if (/^\ufeff?\s*<(!doctype|html|head|\?xml)/i.test(text)) return 'is a web page';
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .flatMap((line) => readLine(line) ?? []);
  const named = lines.filter((line) => line.name !== '');
  const bare = lines.filter((line) => line.name === '');
  if (lines.length === 0) return 'has no SHA-256 or SHA-512';
  if (named.length === 0) return single(bare) ?? 'has several checksums and does not say which file each belongs to';
  const name = lastPart(path);
  const here = named.filter((line) => lastPart(line.name) === name);
  if (here.length === 0) return `does not list "${shown(name)}". It lists ${listed(named.map((line) => line.name))}`;
  // `trixie/a.img` belongs to …/trixie/a.img, `bookworm/a.img` does not.
  const fitting = here.filter((line) => `/${path}`.endsWith(`/${line.name.replace(/^(\.?\/)+/, '')}`));
  return single(fitting) ?? single(here) ?? `has two different checksums of "${shown(name)}"`;
}

interface Line {
  checksum: Checksum;
  /** Empty if there is none, or if it is `-`: the checksum was computed from stdin. */
  name: string;
}

function readLine(line: string): Line | undefined {
  const [, escaped, hex, name] = /^(\\?)([0-9a-f]{64,128})(?:\s+\*?(.*?))?\s*$/i.exec(line) ?? [];
  if (hex !== undefined) return lineOf(checksumOf(hex), name ?? '', escaped !== '');
  const [, slash, algorithm, tagged, value] = /^(\\?)([\w/-]+) ?\((.*)\) ?= ?([0-9a-f]+)\s*$/i.exec(line) ?? [];
  return value === undefined ? undefined : lineOf(checksumOf(value, algorithm), tagged!, slash !== '');
}

function lineOf(checksum: Checksum | undefined, name: string, escaped: boolean): Line | undefined {
  if (checksum === undefined) return undefined;
  const plain = escaped ? name.replace(/\\([\\nr])/g, (_, c: string) => ({ n: '\n', r: '\r' })[c] ?? c) : name;
  return { checksum, name: plain === '-' ? '' : plain };
}

/** Returns the checksum that all the lines agree on (SHA-512 if there are both). */
function single(lines: readonly Line[]): Checksum | undefined {
  for (const algorithm of ['sha512', 'sha256'] as const) {
    const found = new Map(lines.map(({ checksum }) => [checksum.hex, checksum]));
    const of = [...found.values()].filter((checksum) => checksum.algorithm === algorithm);
    if (of.length > 0) return of.length === 1 ? of[0] : undefined;
  }
  return undefined;
}

/** @param algorithm the one that the number of digits must match */
function checksumOf(hex: string, algorithm?: string): Checksum | undefined {
  const byLength = { 64: 'sha256', 128: 'sha512' } as const;
  const found = byLength[hex.length as keyof typeof byLength];
  if (found === undefined || (algorithm !== undefined && algorithm.toLowerCase() !== found)) return undefined;
  return { algorithm: found, hex: hex.toLowerCase() };
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const shown = (name: string): string => {
  const plain = name.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > MAX_NAME_CHARS ? `${plain.slice(0, MAX_NAME_CHARS)}…` : plain;
};

function listed(names: readonly string[]): string {
  const some = [...new Set(names)];
  const first = some.slice(0, MAX_NAME_COUNT).map((name) => `"${shown(name)}"`);
  const more = some.length - first.length;
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
