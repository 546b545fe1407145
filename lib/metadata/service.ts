import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import { isLoopbackAddress } from '../util/loopback.ts';
import type { ServeMetadata, Worker } from '../worker/types.ts';
import { type MetadataAnswer, metadataAnswer } from './tree.ts';
import type { MetadataDocument } from './types.ts';

/** Limits per guest, whose requests are hostile. */
const LIMITS = {
  /** Concurrent connections from one address; more are closed at once. */
  sockets: 16,
  /** The same for a web server, which forwards all guests' requests. */
  proxied: 256,
  /** Total lifetime of a connection: an answer takes a few milliseconds. */
  lifetimeMs: 30_000,
  headBytes: 8 * 1024,
  /** Time to identify the guest. */
  lookupMs: 5_000,
  /** Requests per connection. */
  requests: 200,
};

const answers = {
  notFound: { status: 404, type: 'text/plain', body: 'Not Found' },
  later: { status: 503, type: 'text/plain', body: 'Service Unavailable' },
  tooLarge: { status: 413, type: 'text/plain', body: 'Content Too Large' },
} satisfies Record<string, MetadataAnswer>;

/** The source of a connection, and its guest once known. */
interface Source {
  address: string;
  domain?: string;
  /** Whether it is a web server on this machine, whose requests name the guest. */
  proxy: boolean;
}

/**
 * Serves each guest its own metadata, and no other's. The guest is identified by the worker of the connection and the
 * source address, which is looked up on the worker during the request. Unknown guests get 404; if the worker cannot be
 * asked, 503, which cloud-init retries. Opens no port: connections are handed in.
 */
export class MetadataService {
  readonly #documents = new Map<string, MetadataDocument>();

  /** Publishes or replaces a guest's metadata. @param worker id of its worker @param domain of the guest */
  put(worker: string, domain: string, document: MetadataDocument): void {
    this.#documents.set(keyOf(worker, domain), document);
  }

  /** Withdraws a guest's metadata. */
  drop(worker: string, domain: string): void {
    this.#documents.delete(keyOf(worker, domain));
  }

  /** Returns the handler for connections of a worker's guests, to be passed to `worker.linkMetadata`. */
  serverFor(worker: Worker): ServeMetadata {
    const sources = new WeakMap<Duplex, Source>();
    const open = new Map<string, number>();
    const server = this.#server(worker, sources);
    return (socket, address, options) => {
      const proxy = options?.proxy === true && isLoopbackAddress(address);
      const count = (open.get(address) ?? 0) + 1;
      socket.on('error', () => {}); // 'close' follows
      if (count > (proxy ? LIMITS.proxied : LIMITS.sockets)) {
        socket.destroy();
        return;
      }
      open.set(address, count);
      sources.set(socket, { address, proxy });
      const life = setTimeout(() => socket.destroy(), LIMITS.lifetimeMs).unref();
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
    const server = createServer({ maxHeaderSize: LIMITS.headBytes, noDelay: true }, (request, response) => {
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
    // Requests have no body; one that is sent is not read.
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
      return answers.tooLarge;
    }
    const source = peer?.proxy ? realSource(headers['x-real-ip']) : peer;
    if (source === undefined) return answers.notFound;
    if (source.domain === undefined) {
      try {
        // Looked up once: an address keeps its guest while a connection from it is open.
        const found = await worker.hypervisor.domainAt(source.address, {
          signal: AbortSignal.timeout(LIMITS.lookupMs),
        });
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

/** Returns the guest behind a web server, which overwrites whatever header the guest sent. */
const realSource = (header: string | string[] | undefined): Source | undefined =>
  typeof header === 'string' && isIPv4(header) ? { address: header, proxy: false } : undefined;

const keyOf = (worker: string, domain: string): string => JSON.stringify([worker, domain]);

function send(response: ServerResponse, answer: MetadataAnswer): void {
  if (answer === answers.tooLarge) {
    response.setHeader('connection', 'close');
    // The rest of the body is not awaited.
    response.on('finish', () => response.socket?.destroy());
  }
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, { 'content-type': answer.type, 'content-length': body.length });
  // node:http omits the body of an answer to HEAD.
  response.end(body);
}
