import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a local server that can hold back what the server says, so that much of it arrives at once. */
export class Gate {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Each connection's two ends: what comes from the first goes to the second. */
  readonly #ways = new Set<[from: Socket, to: Socket]>();

  private constructor(server: Server, to: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (near) => {
      const far = connect(to, '127.0.0.1');
      const way: [Socket, Socket] = [far, near];
      this.#ways.add(way);
      for (const socket of way) {
        socket.setNoDelay(true);
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          this.#ways.delete(way);
          for (const end of way) end.destroy();
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

  /** From now on what the server says waits. */
  hold(): void {
    for (const [from] of this.#ways) from.unpipe().pause();
  }

  /** Lets go of all that waits. */
  release(): void {
    for (const [from, to] of this.#ways) from.pipe(to);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
