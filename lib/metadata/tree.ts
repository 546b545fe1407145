import { ec2Tree } from './trees/ec2.ts';
import { type Folder, folder, type Leaf } from './trees/folder.ts';
import { noCloudTree } from './trees/nocloud.ts';
import { openStackTree } from './trees/openstack.ts';
import type { MetadataDocument } from './types.ts';

/** A request to the metadata server. */
export interface MetadataRequest {
  method: string;
  /** Path of the URL, optionally with a query. */
  path: string;
  /** The guest's address, which some files contain. */
  address: string;
}

/** An HTTP response to a guest: status code, content type and body. */
export interface MetadataAnswer {
  status: number;
  type: string;
  body: string;
}

/**
 * Answers a guest's request: the EC2 tree (which every cloud-init can read) is at the root, OpenStack's below
 * `/openstack`, NoCloud's below `/nocloud/`. Extra slashes are ignored. Anything else is 404, including an EC2 session
 * token (PUT), without which cloud-init continues.
 */
export function metadataAnswer(document: MetadataDocument, request: MetadataRequest): MetadataAnswer {
  if (request.method === 'PUT') return text(404, 'Not Found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Method Not Allowed');
  const ec2 = ec2Tree(document, request.address);
  const root = folder(
    [...ec2.entries, ['openstack', openStackTree(document)], ['nocloud', noCloudTree(document)]],
    // EC2 lists only its own; clients know the others by name.
    [...ec2.entries.keys()],
  );
  let place: Leaf | Folder | undefined = root;
  for (const part of request.path.split(/[?#]/, 1)[0]!.split('/')) {
    if (part === '') continue;
    place = place !== undefined && 'entries' in place ? place.entries.get(part) : undefined;
  }
  if (place === undefined) return text(404, 'Not Found');
  if ('entries' in place) return text(200, listingOf(place));
  return { ...text(200, place.body), ...(place.json ? { type: 'application/json' } : {}) };
}

const text = (status: number, body: string): MetadataAnswer => ({ status, type: 'text/plain; charset=utf-8', body });

const listingOf = (place: Folder): string =>
  (place.listing ?? [...place.entries].map(([name, one]) => ('entries' in one ? `${name}/` : name))).join('\n');
