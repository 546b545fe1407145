/** How a file is served. */
export interface MediaType {
  type: string;
  /** `gzip` for compressed text, which a browser unpacks and shows. */
  encoding?: 'gzip';
}

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  htm: 'text/html; charset=utf-8',
  json: 'application/json; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  ico: 'image/x-icon',
  pdf: 'application/pdf',
  css: 'text/css; charset=utf-8',
  xml: 'text/xml; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  gz: 'application/gzip',
  tgz: 'application/gzip',
  bz2: 'application/x-bzip2',
  xz: 'application/x-xz',
  zst: 'application/zstd',
  zip: 'application/zip',
  tar: 'application/x-tar',
  mp4: 'video/mp4',
  webm: 'video/webm',
};
const TEXT = 'text/plain; charset=utf-8';
/** A file of unknown type is shown as text unless one of these control characters is near its beginning. */
const BINARY = /[\x00-\x08\x0e-\x1a\x1c-\x1f]/;

const extension = (name: string): string => /\.([A-Za-z0-9]{1,8})$/.exec(name)?.[1]?.toLowerCase() ?? '';

/** Returns the type of a file, from its name or, if that is unknown, from its first bytes. */
export function mediaType(name: string, head: Buffer): MediaType {
  const own = extension(name);
  if (own === 'gz' && head[0] === 0x1f && head[1] === 0x8b) {
    const inner = extension(name.slice(0, -3));
    const type = ['txt', 'log', ''].includes(inner) ? (inner === '' ? undefined : TEXT) : TYPES[inner];
    if (type?.includes('charset')) return { type, encoding: 'gzip' };
  }
  const known = TYPES[own];
  // Content that is not gzip is not served as such, whatever its name.
  if (known !== undefined && !(own === 'gz' && head[0] !== 0x1f)) return { type: known };
  return { type: BINARY.test(head.toString('latin1')) ? 'application/octet-stream' : TEXT };
}
