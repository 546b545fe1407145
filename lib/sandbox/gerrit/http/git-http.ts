import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Repository } from '../model/git.ts';

const SERVICE = 'git-upload-pack';

/** Returns whether a path below the project is one that git requests. */
export const isGitPath = (path: string): boolean => path === '/info/refs' || path === `/${SERVICE}`;

/**
 * Serves `git fetch` over HTTP without a login, as Gerrit does for public projects, so that a machine without an SSH
 * client can fetch a patchset. Nothing else is served. Protocol: git's "smart" HTTP, gitprotocol-http(5).
 */
export async function serveGit(repository: Repository, path: string, req: IncomingMessage, res: ServerResponse) {
  const advertise = path === '/info/refs';
  const service = new URL(req.url ?? '/', 'http://localhost').searchParams.get('service');
  if (advertise ? req.method !== 'GET' || service !== SERVICE : req.method !== 'POST') {
    res.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' });
    res.end('The sandbox Gerrit only serves fetches over HTTP.\n');
    return;
  }
  const protocol = req.headers['git-protocol'];
  const child = repository.uploadPack({
    stateless: advertise ? 'advertise' : 'serve',
    ...(typeof protocol === 'string' && { protocol }),
  });
  child.on('error', () => res.destroy()); // git was removed after the start
  child.stderr.resume();
  res.on('close', () => child.kill());
  res.writeHead(200, {
    'content-type': `application/x-${SERVICE}-${advertise ? 'advertisement' : 'result'}`,
    'cache-control': 'no-cache',
  });
  if (advertise) {
    // Before protocol version 2, the service's name and a flush precede git's own output.
    if (!String(protocol).includes('version=2')) res.write(`001e# service=${SERVICE}\n0000`);
    child.stdin.end();
  } else {
    const body = req.headers['content-encoding'] === 'gzip' ? req.pipe(createGunzip()) : req;
    pipeline(body, child.stdin).catch(() => {}); // git reports it when it exits
  }
  await pipeline(child.stdout, res).catch(() => {}); // the client went away
}
