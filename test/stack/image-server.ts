import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitForEvent } from '../support/wait.ts';

/** A web server with one file, and the faults it can be told to have. */
export interface ImageServer {
  url: string;
  /** The `Range` of each request for the file; undefined if it asked for the whole file. */
  ranges: (string | undefined)[];
  /** Bytes after which the next responses are cut off, one entry per response. */
  breaks: number[];
  /** Sends this many bytes, then stalls forever. */
  stallAt: number | undefined;
  /** Answers with this status instead of the file. */
  status: number | undefined;
  etag: string;
  content: Buffer;
  /** Sends no Content-Length: the end of the connection is the end of the file. */
  noLength: boolean;
  /** Other files by path; a function writes the response itself. */
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
      // HTTP/1.0 allows this.
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
