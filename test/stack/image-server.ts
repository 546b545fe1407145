import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitForEvent } from '../support/wait.ts';

/** A web server with one file, and its moods. */
export interface ImageServer {
  url: string;
  /** The `Range` of each request for the file; undefined where it asked for all. */
  ranges: (string | undefined)[];
  /** Bytes after which the next answers break off; one is used up by each. */
  breaks: number[];
  /** Sends this many bytes and then nothing more, for ever. */
  stallAt: number | undefined;
  /** Answers with this status and no file. */
  status: number | undefined;
  etag: string;
  content: Buffer;
  /** Tells no length: the end of the connection is the end of the file. */
  noLength: boolean;
  /** Other files, by their paths; a function writes its answer itself. */
  files: Map<string, string | ((response: ServerResponse) => void)>;
  close(): Promise<void>;
}

export async function openImageServer(content: Buffer): Promise<ImageServer> {
  const web: ImageServer = {
    url: '',
    ranges: [],
    breaks: [],
    stallAt: undefined,
    status: undefined,
    etag: '"1"',
    content,
    noLength: false,
    files: new Map(),
    async close() {
      server.closeAllConnections();
      server.close();
      await waitForEvent('server: close', server, 'close');
    },
  };
  const server = createServer((request, response) => {
    const file = web.files.get(request.url!);
    if (file !== undefined) {
      if (typeof file === 'function') file(response);
      else response.end(file);
      return;
    }
    web.ranges.push(request.headers.range);
    if (web.status !== undefined) {
      response.writeHead(web.status).end('no');
      return;
    }
    const start = startOf(request, web.etag);
    const body = web.content.subarray(start);
    const { length } = web.content;
    if (web.noLength) {
      // As HTTP/1.0 has it.
      response.socket!.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), web.content]));
      return;
    }
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': body.length,
      etag: web.etag,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${length - 1}/${length}` } : {}),
    });
    if (web.stallAt !== undefined) {
      response.write(body.subarray(0, web.stallAt));
      return;
    }
    const end = web.breaks.shift();
    if (end === undefined) response.end(body);
    else response.write(body.subarray(0, Math.max(0, end - start)), () => response.socket?.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  web.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base.img`;
  return web;
}

function startOf({ headers }: IncomingMessage, etag: string): number {
  const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
  const same = headers['if-range'] === undefined || headers['if-range'] === etag;
  return same ? Number(from ?? 0) : 0;
}
