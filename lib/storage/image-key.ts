import { createHash } from 'node:crypto';
import type { ImageSource, ImageSpec } from '../worker/types.ts';

const DAY_MS = 86_400_000;

/** Renewals that may fail in a row before the last image that worked is no longer used. */
const MAX_FAILED_RENEWAL_COUNT = 8;

/**
 * Adds the key to an image, and to its parents: a hash of everything that determines what is on the disk. A name or the
 * memory of the guest that it is built in does not. An image that is renewed every N days gets another key every N days
 * since 1970, so that all workers agree; `former` lists the image as it was before each of its latest renewals.
 *
 * @param now milliseconds since the epoch
 */
export function withKey(image: Omit<ImageSpec, 'key'>, now: number): ImageSpec {
  const former: ImageSpec[] = [];
  for (let renewal = lastRenewal(image.source, now); renewal > 0 && former.length < MAX_FAILED_RENEWAL_COUNT; ) {
    former.push(keyed(image, renewal - 1));
    renewal = lastRenewal(image.source, renewal - 1);
  }
  return { ...keyed(image, now), ...(former.length > 0 ? { former } : {}) };
}

function keyed(image: Omit<ImageSpec, 'key'>, now: number): ImageSpec {
  const { former: _, ...rest } = image;
  const { source } = image;
  const made = source.kind === 'parent' ? { ...source, parent: keyed(source.parent, now) } : source;
  const key = createHash('sha256')
    .update(JSON.stringify(ingredients({ ...image, source: made }, now)))
    .digest('hex')
    .slice(0, 12);
  return { ...rest, source: made, key };
}

/** Returns when an image or one of its parents was last due for renewal; 0 if none is ever renewed. */
function lastRenewal(source: ImageSource, now: number): number {
  if (source.kind === 'parent') return lastRenewal(source.parent.source, now);
  const period = source.kind === 'url' ? (source.renew ?? 0) * DAY_MS : 0;
  return period > 0 ? Math.floor(now / period) * period : 0;
}

function ingredients(image: Omit<ImageSpec, 'key'>, now: number): unknown {
  const { source, loginUser, cpu, firmware } = image;
  switch (source.kind) {
    case 'empty':
      return source.kind;
    case 'directory':
      return [source.kind, source.path];
    case 'url': {
      const { url, sha256 = '', diskSize = 0, renew = 0 } = source;
      return [
        source.kind,
        url.trim(),
        // Hexadecimal digits are the same in either case, a URL may not be.
        sha256.includes('/') ? sha256.trim() : sha256.trim().toLowerCase(),
        diskSize,
        renew > 0 ? Math.floor(now / (renew * DAY_MS)) : 0,
      ];
    }
    case 'parent':
      return [
        source.kind,
        source.parent.name,
        source.parent.key,
        source.scripts.map(({ user, interpreter, text }) => [user || loginUser, interpreter, text]),
        source.making.userData,
        // cloud-init leaves them on the disk. An image without any keeps the key that it had before they were included.
        ...[keysIn(source.making.authorizedKeys)].filter((keys) => keys.length > 0),
        ...(source.making.cloudInit === 0 ? ['cloud-init not waited for'] : []),
        // Boot loaders and programs that are built for the host's processor depend on them, and so does whether it boots.
        ...(cpu || firmware ? [{ cpu, firmware }] : []),
      ];
  }
}

/** Returns the keys of an authorized_keys text, sorted and without comment lines: what reaches the disk. */
const keysIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort();
