import { createHash } from 'node:crypto';
import type { ImageSource, ImageSpec } from '../worker/types.ts';

const DAY = 86_400_000;

/** How many renewals may fail in a row before the image from before them is no longer used. */
const MAX_FAILED_RENEWALS = 8;

/**
 * The image with the key of what it is made of, and its parents with theirs: whatever changes what is on the disk makes
 * another image, names and the memory of the guest that it is made in do not. One that is renewed every N
 * days gets another key every N days since 1970, so that all workers agree; `former` lists it as it was
 * before each of the latest turns.
 *
 * @param now milliseconds since the epoch
 */
export function withKey(image: Omit<ImageSpec, 'key'>, now: number): ImageSpec {
  const former: ImageSpec[] = [];
  for (let turn = lastTurn(image.source, now); turn > 0 && former.length < MAX_FAILED_RENEWALS; ) {
    former.push(keyed(image, turn - 1));
    turn = lastTurn(image.source, turn - 1);
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

/** When an image, or one that it is made of, was last to be renewed; 0 if none ever is. */
function lastTurn(source: ImageSource, now: number): number {
  if (source.kind === 'parent') return lastTurn(source.parent.source, now);
  const spell = source.kind === 'url' ? (source.renew ?? 0) * DAY : 0;
  return spell > 0 ? Math.floor(now / spell) * spell : 0;
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
        // Digits mean the same in either case, an address may not.
        sha256.includes('/') ? sha256.trim() : sha256.trim().toLowerCase(),
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
