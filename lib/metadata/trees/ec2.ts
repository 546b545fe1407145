import type { MetadataDocument } from '../types.ts';
import { type Folder, folder, type Leaf } from './folder.ts';

/**
 * The versions of OpenStack's EC2 service. cloud-init probes 2021-03-23, 2018-09-24 and 2016-09-02 first and falls back
 * to 2009-04-04 if they are 404.
 */
const VERSIONS = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
  'latest',
];

/** Returns EC2's metadata, the same for each version. Without user-data its file is missing, as on EC2. */
export function ec2Tree(document: MetadataDocument, address: string): Folder {
  const leaf = (body: string): Leaf => ({ body });
  const keys = document.authorizedKeys;
  const metaData: [string, Leaf | Folder][] = [
    ['ami-id', leaf('ami-00000001')],
    ['ami-launch-index', leaf('0')],
    ['hostname', leaf(document.hostname)],
    ['instance-id', leaf(document.instanceId)],
    ['instance-type', leaf('recheck')],
    ['local-hostname', leaf(document.hostname)],
    ['local-ipv4', leaf(address)],
    ['placement', folder([['availability-zone', leaf('recheck')]])],
    ['public-ipv4', leaf(address)],
    ['reservation-id', leaf(`r-${document.instanceId}`)],
    ['security-groups', leaf('default')],
  ];
  if (keys.length > 0) {
    metaData.push([
      'public-keys',
      folder(
        keys.map((key, i) => [`${i}`, folder([['openssh-key', leaf(`${key}\n`)]])]),
        // The only listing with a name beside each entry.
        keys.map((_, i) => `${i}=key-${i}`),
      ),
    ]);
  }
  const version = folder([
    ['meta-data', folder(metaData)],
    ...(document.userData === '' ? [] : [['user-data', leaf(document.userData)] as [string, Leaf]]),
  ]);
  return folder(VERSIONS.map((name) => [name, version]));
}
