import { isRecord } from '../util/is-record.ts';
import type { Clone, Disk, Owner } from '../worker/types.ts';
import type { StoredImage } from './collectable.ts';

/** The name of a virtio, SCSI or Xen disk, and what may follow it in a file name. */
const DISK_FILE = /^((?:[hsv]|xv)d[a-z])(?:\.(.*))?$/;

/** Parses a clone's folder and disks: lines `path …` and `file …`. A file that is not named after a device is no disk. */
export function readClone(name: string, stdout: string): Clone {
  let path = '';
  const disks = new Map<string, Disk>();
  for (const line of stdout.split('\n')) {
    if (line.startsWith('path ')) path = line.slice('path '.length);
    if (!line.startsWith('file ')) continue;
    const file = line.slice('file '.length);
    const [, device, extension] = DISK_FILE.exec(file) ?? [];
    if (device === undefined) continue;
    disks.set(device, { name: device, path: `${path}/${file}`, format: extension === 'qcow2' ? 'qcow2' : 'raw' });
  }
  return { name, path, disks: [...disks.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/**
 * Parses the records of clones: lines `name:record`. Lines that Recheck did not write are left out. A clone whose record
 * names no controller has the controller '': its image is in use all the same.
 */
export function readRecords(stdout: string): { name: string; owner: Owner; image: string }[] {
  const found: { name: string; owner: Owner; image: string }[] = [];
  for (const line of stdout.split('\n')) {
    const at = line.indexOf(':');
    if (at < 0) continue;
    let record: unknown;
    try {
      record = JSON.parse(line.slice(at + 1));
    } catch {
      continue;
    }
    if (!isRecord(record)) continue;
    const { controller = '', build, attempt } = record;
    if (typeof build !== 'string') continue;
    const owner = { controller: String(controller), build, attempt: Number(attempt) };
    found.push({ name: line.slice(0, at), owner, image: String(record['image']) });
  }
  return found;
}

/** Parses the images: lines `image|draft name@key [parent's name@key]`. */
export function readImages(stdout: string): StoredImage[] {
  const found: StoredImage[] = [];
  for (const line of stdout.split('\n')) {
    const [kind, id, of] = line.split(' ');
    if ((kind !== 'image' && kind !== 'draft') || !id) continue;
    found.push({ kind, id, ...(of ? { of } : {}) });
  }
  return found;
}

/** Parses which images were removed: lines `gone name@key`. */
export function readGone(stdout: string): string[] {
  return stdout.split('\n').flatMap((line) => (line.startsWith('gone ') ? [line.slice('gone '.length)] : []));
}
