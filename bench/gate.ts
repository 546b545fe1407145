import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A proxy to a local server that can hold back what the server sends, so that much of it arrives at once. */
export class Gate {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** The two ends of each connection; the first sends to the second. */
  readonly #pairs = new Set<[from: Socket, to: Socket]>();

  private constructor(server: Server, to: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (near) => {
      const far = connect(to, '127.0.0.1');
      const pair: [Socket, Socket] = [far, near];
      this.#pairs.add(pair);
      for (const socket of pair) {
        socket.setNoDelay(true);
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          this.#pairs.delete(pair);
          for (const end of pair) end.destroy();
        });
      }
      near.pipe(far);
      far.pipe(near);
    });
  }

  static async open(to: number): Promise<Gate> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Gate(server, to);
  }

  /** Holds back what the server sends. */
  hold(): void {
    for (const [from] of this.#pairs) from.unpipe().pause();
  }

  /** Passes on what was held back. */
  release(): void {
    for (const [from, to] of this.#pairs) from.pipe(to);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
