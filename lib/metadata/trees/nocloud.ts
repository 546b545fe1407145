import type { MetadataDocument } from '../types.ts';
import { type Folder, folder } from './folder.ts';

/** NoCloud's three files. All are there even where empty: cloud-init gives the source up when user-data is missing. */
export function noCloudTree(document: MetadataDocument): Folder {
  // JSON is YAML.
  const metaData = {
    'instance-id': document.instanceId,
    'local-hostname': document.hostname,
    'public-keys': document.authorizedKeys,
  };
  return folder([
    ['meta-data', { body: `${JSON.stringify(metaData, undefined, 2)}\n` }],
    ['user-data', { body: document.userData }],
    ['vendor-data', { body: document.vendorData }],
  ]);
}
