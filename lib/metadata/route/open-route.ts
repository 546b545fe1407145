import type { Host } from '../../ssh/types.ts';
import type { ServeMetadata } from '../../worker/types.ts';
import type { Destination } from './iptables.ts';

/** What opens a way is given. */
export interface RouteOptions {
  /** Id of the controller and of the worker's configuration node. */
  id: string;
  serve: ServeMetadata;
  /** To be called where requests arrive at a place from now on: leads the guests there. */
  opened(host: Host, destination: Destination, signal: AbortSignal): Promise<void>;
  /** To be called where nobody listens at a place any more. */
  closed(destination: Destination): void;
}

/** A way that is open. */
export interface OpenRoute {
  close(): Promise<void>;
}
