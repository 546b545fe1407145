import { buildDocument, type MetadataSettings } from '../../metadata/document.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** Gives each cloned guest that has none yet its own metadata, and opens the way to it. */
export async function metadataStep(
  { build, signal }: StepContext,
  settings: MetadataSettings,
  services: Services,
): Promise<StepOutcome> {
  const { lease } = build;
  const guests = [...lease.guests.values()].filter((guest) => !guest.documented);
  for (const guest of guests) {
    const view = {
      ...build.change,
      change: build.change,
      env: build.env,
      build: build.id,
      job: build.spec.name,
      pipeline: build.set.request.pipeline,
      guest: guest.name,
    };
    services.metadata.put(
      guest.worker.id,
      guest.domain,
      buildDocument({ ...settings, controllerKey: services.key.publicKey }, view, guest.domain),
    );
    guest.documented = true;
    lease.onRelease(`The metadata of ${guest.domain}`, async () =>
      services.metadata.drop(guest.worker.id, guest.domain),
    );
  }
  if (lease.worker && !lease.metadata) {
    const { link, release } = await services.links.acquire(lease.worker, signal);
    lease.metadata = link;
    lease.onRelease(`The metadata link to ${lease.worker.label}`, release);
  }
  return { result: 'SUCCESS', payload: { guests: guests.map((guest) => guest.name) } };
}
