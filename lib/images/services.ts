import type { MetadataService } from '../metadata/service.ts';
import type { MetadataLink, Worker } from '../worker/types.ts';

/** What building images needs of the controller. */
export interface ImageServices {
  /** Id of this Recheck, which everything that it creates on a worker carries. */
  controller: string;
  /** The controller's own key pair, which every guest accepts. */
  key: { privateKey: string; publicKey: string };
  metadata: MetadataService;
  /** The routes from workers' guests to the metadata server; each is open as long as somebody uses it. */
  links: {
    acquire(worker: Worker, signal: AbortSignal): Promise<{ link: MetadataLink; release(): Promise<void> }>;
  };
  /** Retries what could not be removed from workers. */
  cleanupQueue: {
    /** @param remove returns whether everything is gone */
    keep(key: string, remove: () => Promise<boolean>): boolean;
    /** Hands the removal back to the caller; resolves when no try of it runs. */
    drop(key: string): Promise<void>;
  };
}
