import { badName } from '../errors/storage.ts';
import type { ImageSpec } from './types.ts';

const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Returns a name that may be part of a path.
 *
 * @param what what it names, for the message: "a clone"
 * @throws CiError storage/bad-name for any other
 */
export function checkName(what: string, name: string): string {
  if (!SAFE_NAME.test(name) || name.endsWith('.json')) throw badName(what, name);
  return name;
}

/** Returns `name@key`: an image's folder on a worker, and its name wherever one is needed that names its content. */
export const imageFolder = (image: ImageSpec): string =>
  `${checkName('an image', image.name)}@${checkName("an image's key", image.key)}`;
