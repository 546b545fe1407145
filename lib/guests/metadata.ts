import { withHostKey } from '../metadata/multipart.ts';
import type { MetadataService } from '../metadata/service.ts';
import type { MetadataDocument } from '../metadata/types.ts';
import { generateKeyPair } from '../ssh/keys.ts';
import type { ImageSpec, Worker } from '../worker/types.ts';

/** The published metadata of one guest, from before its boot until it is released. */
export interface GuestMetadata {
  /** Public SSH host key generated for it; undefined if it has keys of its own. */
  readonly hostKey: string | undefined;
  /** To be called after the first login: what runs in the guest later must not be able to read its private key. */
  loggedIn(): void;
  /** To be called before a guest that has not run code of the patch is replaced: it needs its private key again. */
  renew?(): void;
  /** Withdraws the metadata. */
  drop(): void;
}

/** Publishes a guest's metadata, with an SSH host key generated for it if the worker and the image use one. */
export function publishMetadata(
  metadata: MetadataService,
  worker: Worker,
  image: ImageSpec,
  domain: string,
  document: MetadataDocument,
): GuestMetadata {
  const drop = () => metadata.drop(worker.id, domain);
  if (!worker.giveHostKeys || image.ownHostKey) {
    metadata.put(worker.id, domain, document);
    return { hostKey: undefined, loggedIn() {}, drop };
  }
  const pair = generateKeyPair(domain);
  const withKey = withHostKey(document, pair);
  metadata.put(worker.id, domain, withKey);
  let served = true;
  return {
    hostKey: pair.publicKey,
    loggedIn() {
      if (served) metadata.put(worker.id, domain, document);
    },
    renew() {
      if (served) metadata.put(worker.id, domain, withKey);
    },
    drop() {
      served = false;
      drop();
    },
  };
}
