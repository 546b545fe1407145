import { type AddressInfo, createServer, type Socket } from 'node:net';
import { linkFailed } from '../../errors/worker.ts';
import type { MetadataLink, ServeMetadata } from '../../worker/types.ts';

/**
 * Opens a port on 127.0.0.1 where guests of this machine reach the metadata server. Each connection is passed to
 * `serve` with its source address.
 *
 * @param worker label of the worker, for messages
 */
export async function openMetadataLink(
  worker: string,
  serve: ServeMetadata,
  signal: AbortSignal,
): Promise<MetadataLink> {
  signal.throwIfAborted();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // 'close' follows
    serve(socket, socket.remoteAddress ?? '');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(linkFailed(worker, error)));
    server.listen(0, '127.0.0.1', resolve);
  });
  server.on('error', () => {}); // a connection could not be accepted; the guest retries
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
