import { publishMetadata } from '../../guests/metadata.ts';
import { buildDocument, type MetadataSettings } from '../../metadata/document.ts';
import type { ListenAt } from '../../worker/types.ts';
import type { Services } from '../services.ts';
import type { StepContext } from '../step.ts';
import type { StepOutcome } from '../types.ts';

/** Settings of a metadata-server node. */
export interface MetadataStepSettings extends MetadataSettings {
  /** Address and port of this machine to listen on; by default guests are served through the worker's SSH connection. */
  listenAt?: ListenAt;
}

/** Publishes the metadata of each cloned guest that has none yet, and opens the route to it. */
export async function metadataStep(
  { build, signal }: StepContext,
  { listenAt, ...settings }: MetadataStepSettings,
  services: Services,
): Promise<StepOutcome> {
  const { resources } = build;
  const guests = [...resources.guests.values()].filter((guest) => !guest.metadata);
  for (const guest of guests) {
    const { worker, image, domain } = guest;
    const view = {
      ...build.change,
      change: build.change,
      env: build.env,
      build: build.id,
      job: build.spec.name,
      pipeline: build.set.request.pipeline,
      guest: guest.name,
    };
    const document = buildDocument({ ...settings, controllerKey: services.key.publicKey }, view, domain);
    const published = publishMetadata(services.metadata, worker, image, domain, document);
    guest.metadata = published;
    resources.onRelease(`The metadata of ${domain}`, async () => published.drop());
  }
  if (resources.worker && !resources.metadata) {
    const { link, release } = await services.links.acquire(resources.worker, signal, listenAt);
    resources.metadata = link;
    resources.onRelease(`The metadata link to ${resources.worker.label}`, release);
  }
  return { result: 'SUCCESS', payload: { guests: guests.map((guest) => guest.name) } };
}
