import { badName } from '../errors/storage.ts';
import type { ImageSpec } from '../worker/types.ts';

const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Returns the name if it may be part of a path. A name that ends with `.json` could be mistaken for a record.
 *
 * @param what what it names, for the message: "a clone"
 * @throws CiError storage/bad-name
 */
export function checkName(what: string, name: string): string {
  if (!SAFE_NAME.test(name) || name.endsWith('.json')) throw badName(what, name);
  return name;
}

/**
 * Returns the ID of an image, `name@key`, which is also the name of its folder on a worker.
 *
 * @throws CiError storage/bad-name
 */
export const imageFolder = (image: ImageSpec): string =>
  `${checkName('an image', image.name)}@${checkName("an image's key", image.key)}`;
