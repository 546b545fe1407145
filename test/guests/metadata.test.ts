import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publishMetadata } from '../../lib/guests/metadata.ts';
import type { MetadataService } from '../../lib/metadata/service.ts';
import type { MetadataDocument } from '../../lib/metadata/types.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';

test('a guest’s private host key is served until its first login, and again if the guest is replaced', () => {
  let served: string | undefined;
  const metadata = {
    put(_worker: string, _domain: string, document: MetadataDocument) {
      served = JSON.stringify(document);
    },
    drop() {
      served = undefined;
    },
  } as unknown as MetadataService;
  const published = publishMetadata(
    metadata,
    { id: 'w', giveHostKeys: true } as Worker,
    { ownHostKey: false } as ImageSpec,
    'd',
    { userData: '#cloud-config\n' } as MetadataDocument,
  );
  const hasKey = () => /PRIVATE KEY/.test(served ?? '');
  assert.ok(hasKey());
  published.loggedIn();
  assert.ok(!hasKey());
  published.renew?.();
  assert.ok(hasKey());
  published.drop();
  published.renew?.();
  published.loggedIn();
  assert.equal(served, undefined, 'what was taken back stays so');
});
