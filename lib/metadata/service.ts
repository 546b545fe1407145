import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ServeMetadata, Worker } from '../worker/types.ts';
import { type MetadataAnswer, metadataAnswer } from './tree.ts';
import type { MetadataDocument } from './types.ts';

/** What one guest may cost: everything that it sends is hostile. */
const LIMITS = {
  /** Open connections from one address; more are closed at once. */
  sockets: 16,
  /** The same from the web server before it, which brings all guests' requests. */
  proxied: 256,
  /** Milliseconds that a connection lives, whatever it does: an answer takes a few. */
  life: 30_000,
  /** Bytes of a request's head. */
  head: 8 * 1024,
  /** Milliseconds to find out which guest asks. */
  lookup: 5_000,
  /** Requests on one connection. */
  requests: 200,
};

/** Addresses of this machine's own programs. */
const LOOPBACK = /^(?:127\.|::1$)/;

const answers = {
  notFound: { status: 404, type: 'text/plain', body: 'Not Found' },
  later: { status: 503, type: 'text/plain', body: 'Service Unavailable' },
  tooLarge: { status: 413, type: 'text/plain', body: 'Content Too Large' },
} satisfies Record<string, MetadataAnswer>;

/** Where a connection comes from, and whose it turned out to be. */
interface Source {
  address: string;
  domain?: string;
  /** Whether it is a web server on this machine: each request tells then who asks. */
  proxy: boolean;
}

/**
 * Gives each guest its own metadata, and no other's: who asks is known by the worker that its connection came through
 * and the address that it has there, which the worker is asked about while the request waits. Whoever is unknown gets
 * 404; 503, which cloud-init takes as "ask again", where the worker cannot be asked. It opens no port: connections are
 * handed in.
 */
export class MetadataService {
  readonly #documents = new Map<string, MetadataDocument>();

  /** What the guest is told from now on. `worker` is the worker's id, `domain` the guest's. */
  put(worker: string, domain: string, document: MetadataDocument): void {
    this.#documents.set(keyOf(worker, domain), document);
  }

  drop(worker: string, domain: string): void {
    this.#documents.delete(keyOf(worker, domain));
  }

  /** Takes the connections of this worker's guests, as `worker.linkMetadata` hands them over. */
  serverFor(worker: Worker): ServeMetadata {
    const sources = new WeakMap<Duplex, Source>();
    const open = new Map<string, number>();
    const server = this.#server(worker, sources);
    return (socket, address, options) => {
      const proxy = options?.proxy === true && LOOPBACK.test(address);
      const count = (open.get(address) ?? 0) + 1;
      socket.on('error', () => {}); // 'close' follows
      if (count > (proxy ? LIMITS.proxied : LIMITS.sockets)) {
        socket.destroy();
        return;
      }
      open.set(address, count);
      sources.set(socket, { address, proxy });
      const life = setTimeout(() => socket.destroy(), LIMITS.life).unref();
      socket.once('close', () => {
        clearTimeout(life);
        const left = open.get(address)! - 1;
        if (left > 0) open.set(address, left);
        else open.delete(address);
      });
      server.emit('connection', socket);
    };
  }

  #server(worker: Worker, sources: WeakMap<Duplex, Source>): Server {
    const server = createServer({ maxHeaderSize: LIMITS.head, noDelay: true }, (request, response) => {
      void this.#answer(worker, sources.get(request.socket), request).then(
        (answer) => send(response, answer),
        () => request.socket.destroy(),
      );
    });
    server.maxRequestsPerSocket = LIMITS.requests;
    server.on('clientError', (_error, socket) => socket.destroy());
    return server;
  }

  async #answer(worker: Worker, peer: Source | undefined, request: IncomingMessage): Promise<MetadataAnswer> {
    const { headers } = request;
    // Nothing here takes a body; one is not read to its end.
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
      return answers.tooLarge;
    }
    const source = peer?.proxy ? realSource(headers['x-real-ip']) : peer;
    if (source === undefined) return answers.notFound;
    if (source.domain === undefined) {
      try {
        // An address does not change hands while a connection from it is open: asked once.
        const found = await worker.hypervisor.domainAt(source.address, { signal: AbortSignal.timeout(LIMITS.lookup) });
        if (found === undefined) return answers.notFound;
        source.domain = found;
      } catch {
        return answers.later;
      }
    }
    const document = this.#documents.get(keyOf(worker.id, source.domain));
    if (document === undefined) return answers.notFound;
    return metadataAnswer(document, { method: request.method!, path: request.url!, address: source.address });
  }
}

/** Who asks through the web server; it sets this header itself, over whatever the guest sent. */
const realSource = (header: string | string[] | undefined): Source | undefined =>
  typeof header === 'string' && isIPv4(header) ? { address: header, proxy: false } : undefined;

const keyOf = (worker: string, domain: string): string => JSON.stringify([worker, domain]);

function send(response: ServerResponse, answer: MetadataAnswer): void {
  if (answer === answers.tooLarge) {
    response.setHeader('connection', 'close');
    // What follows of the body is not waited for.
    response.on('finish', () => response.socket?.destroy());
  }
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, { 'content-type': answer.type, 'content-length': body.length });
  // node:http leaves the body of an answer to HEAD out.
  response.end(body);
}
