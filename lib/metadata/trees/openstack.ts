import type { MetadataDocument } from '../types.ts';
import { type Folder, folder, type Leaf } from './folder.ts';

/** The versions that Nova lists; cloud-init uses the newest that it knows. */
const VERSIONS = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  'latest',
];

/**
 * Returns OpenStack's metadata, the same for each version. Without network_data.json, the guest uses DHCP. cloud-init
 * reads vendor data below the name `cloud-init`.
 */
export function openStackTree(document: MetadataDocument): Folder {
  const json = (value: object): Leaf => ({ body: JSON.stringify(value), json: true });
  const keys = document.authorizedKeys.map((data, i) => ({ name: `key-${i}`, type: 'ssh', data }));
  const version = folder([
    [
      'meta_data.json',
      json({
        uuid: document.instanceId,
        name: document.hostname,
        hostname: document.hostname,
        launch_index: 0,
        availability_zone: 'recheck',
        public_keys: Object.fromEntries(keys.map(({ name, data }) => [name, data])),
        keys,
        meta: {},
      }),
    ],
    ...(document.userData === '' ? [] : [['user_data', { body: document.userData }] as [string, Leaf]]),
    ['vendor_data.json', json(document.vendorData === '' ? {} : { 'cloud-init': document.vendorData })],
    ['vendor_data2.json', json({})],
  ]);
  return folder(
    VERSIONS.map((name) => [name, version]),
    VERSIONS,
  );
}
