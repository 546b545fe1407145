import { scriptUnreadable } from '../../lib/errors/image.ts';
import { DEFAULT_CLOUD_INIT_LIMIT_MINUTES } from '../../lib/guests/ready.ts';
import { keyLines } from '../../lib/metadata/document.ts';
import { pickHardware } from '../../lib/worker/hardware.ts';
import type { ImageScript, ImageSource, ImageSpec } from '../../lib/worker/types.ts';
import { type HardwareConfig, hardwareOf, networksOf } from '../shared/hardware-settings.ts';
import { flagOf, numberOf, rowsOf, textOf } from '../shared/settings.ts';
import { readKeysFile, readTextFile } from '../shared/text-file.ts';

/** A row of the scripts that build an image. */
interface ScriptRow {
  name: string;
  user: string;
  interpreter: string;
  text: string;
  /** Path on the controller; if set, `text` is ignored. */
  file: string;
}

/** Settings of a vm-image node; any but the name and the source may be missing. */
export interface ImageConfig extends HardwareConfig {
  name: string;
  source: ImageSource['kind'];
  path: string;
  url: string;
  sha256: string;
  /** GiB; empty: its own size. */
  diskSize: string;
  /** Days; empty: never. */
  renew: string;
  /** Id of a vm-image. */
  parent: string;
  scripts: ScriptRow[];
  /** MiB. */
  memory: string;
  vcpus: string;
  networks: { source: string; mac?: string }[];
  userData: string;
  authorizedKeys: string;
  /** Path on the controller of a file with more keys. */
  authorizedKeysFile?: string;
  /** Minutes. */
  timeout: string;
  /** Minutes to wait for cloud-init; 0: do not wait. */
  cloudInit?: string;
  loginUser: string;
  /** Whether its guests keep SSH host keys of their own. */
  ownHostKey?: boolean;
}

/** Returns an image's name as used in the names of files and guests on a worker. */
export const imageName = (name: unknown): string => textOf(name, 'image').replace(/[^A-Za-z0-9._-]+/g, '-');

/**
 * Returns the image from the settings, without its key. Reads the files of scripts and keys.
 *
 * @param parentOf returns the parent with its current settings
 * @throws CiError if the parent is missing, or the file of a script or of keys cannot be read
 */
export function imageOf(config: ImageConfig, parentOf: () => ImageSpec): Omit<ImageSpec, 'key'> {
  const name = imageName(config.name);
  const source = sourceOf(name, config, parentOf);
  // If the parent's disk needs UEFI or a newer processor, so does this image.
  const parent = source.kind === 'parent' ? [source.parent] : [];
  return {
    name,
    source,
    loginUser: textOf(config.loginUser, 'ci'),
    ...pickHardware(hardwareOf(config), ...parent),
    ...(flagOf(config.ownHostKey ?? false) ? { ownHostKey: true } : {}),
  };
}

function sourceOf(name: string, config: ImageConfig, parentOf: () => ImageSpec): ImageSource {
  switch (textOf(config.source)) {
    case 'directory':
      return { kind: 'directory', path: textOf(config.path) };
    case 'url': {
      const sha256 = textOf(config.sha256);
      const diskSize = numberOf(config.diskSize, 0);
      const renew = numberOf(config.renew, 0);
      return {
        kind: 'url',
        url: textOf(config.url),
        ...(sha256 ? { sha256 } : {}),
        ...(diskSize ? { diskSize } : {}),
        ...(renew ? { renew } : {}),
      };
    }
    case 'parent':
      return {
        kind: 'parent',
        parent: parentOf(),
        scripts: rowsOf<ScriptRow>(config.scripts).map((row) => scriptOf(name, row)),
        making: {
          memory: numberOf(config.memory, 1024, 64),
          vcpus: numberOf(config.vcpus, 1, 1),
          networks: networksOf(config.networks ?? [{ source: 'default' }]),
          userData: textOf(config.userData),
          authorizedKeys: keysOf(name, config),
          timeout: numberOf(config.timeout, 60, 1) * 60_000,
          cloudInit: numberOf(config.cloudInit, DEFAULT_CLOUD_INIT_LIMIT_MINUTES, 0) * 60_000,
        },
      };
    default:
      return { kind: 'empty' };
  }
}

/** Returns the operator's keys: those pasted, and those in the file. */
function keysOf(image: string, { authorizedKeys, authorizedKeysFile }: ImageConfig): string {
  const filed = keyLines(readKeysFile(`Image ${image}`, authorizedKeysFile), 'The authorised keys file');
  return [textOf(authorizedKeys), ...filed].filter(Boolean).join('\n');
}

function scriptOf(image: string, row: ScriptRow): ImageScript {
  const name = textOf(row.name, 'script');
  const file = textOf(row.file);
  return {
    name,
    user: textOf(row.user),
    interpreter: textOf(row.interpreter),
    text: file ? readTextFile(file, (why) => scriptUnreadable(image, name, file, why)) : (row.text ?? ''),
  };
}
