import { createHash } from 'node:crypto';
import type { ImageSpec } from '../worker/types.ts';

const DAY = 86_400_000;

/**
 * The image with the key of what it is made of, and its parents with theirs: whatever changes what is on the disk makes
 * another image, names and the memory of the guest that it is made in do not. One that is renewed every few days gets
 * another key at the turn of each such spell, counted from 1970, so that all workers agree.
 *
 * @param now milliseconds since the epoch
 */
export function withKey(image: Omit<ImageSpec, 'key'>, now: number): ImageSpec {
  const { source } = image;
  const made = source.kind === 'parent' ? { ...source, parent: withKey(source.parent, now) } : source;
  const key = createHash('sha256')
    .update(JSON.stringify(ingredients({ ...image, source: made }, now)))
    .digest('hex')
    .slice(0, 12);
  return { ...image, source: made, key };
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
        sha256.trim().toLowerCase(),
        diskSize,
        renew > 0 ? Math.floor(now / (renew * DAY)) : 0,
      ];
    }
    case 'parent':
      return [
        source.kind,
        source.parent.name,
        source.parent.key,
        source.scripts.map(({ user, interpreter, text }) => [user || loginUser, interpreter, text]),
        source.making.userData,
        // cloud-init leaves them on the disk. An image without them keeps the key that it had before they counted.
        ...[keysIn(source.making.authorizedKeys)].filter((keys) => keys.length > 0),
        ...(source.making.cloudInit === 0 ? ['cloud-init not waited for'] : []),
        // Bootloaders, and what is built for the processor at hand, differ by them; so does whether its guest boots at all.
        ...(cpu || firmware ? [{ cpu, firmware }] : []),
      ];
  }
}

/** The keys of an authorized_keys text in one order, without comments: as much as reaches the disk. */
const keysIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort();
