import { withHostKey } from '../metadata/multipart.ts';
import type { MetadataService } from '../metadata/service.ts';
import type { MetadataDocument } from '../metadata/types.ts';
import { generateKeyPair } from '../ssh/keys.ts';
import type { ImageSpec, Worker } from '../worker/types.ts';

/** What one guest is told of itself, from before its boot to its end. */
export interface GuestMetadata {
  /** Public SSH host key that was made for it; undefined where it has keys of its own. */
  readonly hostKey: string | undefined;
  /** To be called after the first login: whatever runs in the guest from then on cannot read its private key here. */
  loggedIn(): void;
  /** To be called before a guest in which nothing of the patch has run is made anew: it needs its private key again. */
  renew?(): void;
  /** Takes the metadata back. */
  drop(): void;
}

/** Puts a guest's metadata where it will ask for it, with a host key made for it where worker and image take one. */
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
