import type { Host } from '../../ssh/types.ts';
import type { ServeMetadata } from '../../worker/types.ts';
import type { RouteDestination } from './iptables.ts';

/** What opens a route gets. */
export interface RouteOptions {
  /** Id of the controller and of the worker-host node. */
  id: string;
  serve: ServeMetadata;
  /** To be called once requests can arrive at a destination: routes the guests there. */
  opened(host: Host, destination: RouteDestination, signal: AbortSignal): Promise<void>;
  /** To be called once nobody listens at a destination. */
  closed(destination: RouteDestination): void;
}

/** A route that is open. */
export interface OpenRoute {
  close(): Promise<void>;
}
