import type { ListenAt, MetadataLink, ServeMetadata } from './types.ts';

/** How the metadata requests of one worker's guests reach the controller. */
export interface MetadataRoute {
  /**
   * Routes the requests of guests on a bridge while a link is open; to be called before each guest on it starts, since
   * somebody may have flushed the worker's rules.
   */
  use(bridge: string, signal: AbortSignal): Promise<void>;
  /**
   * @param listenAt an address and port of this machine, if the worker is this machine; else inside the SSH connection
   */
  open(serve: ServeMetadata, signal: AbortSignal, listenAt?: ListenAt): Promise<MetadataLink>;
  /** Removes the rules of all links that are not open, a dead controller's too. */
  sweep(signal: AbortSignal): Promise<void>;
}
