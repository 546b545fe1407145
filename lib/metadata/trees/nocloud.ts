import type { MetadataDocument } from '../types.ts';
import { type Folder, folder } from './folder.ts';

/** Returns NoCloud's three files. All exist even if empty: cloud-init rejects the source if user-data is missing. */
export function noCloudTree(document: MetadataDocument): Folder {
  // JSON is a subset of YAML.
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
