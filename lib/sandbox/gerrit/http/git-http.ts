import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Repository } from '../model/git.ts';

const SERVICE = 'git-upload-pack';

/** Whether a path below the project's is one that git asks for. */
export const isGitPath = (path: string): boolean => path === '/info/refs' || path === `/${SERVICE}`;

/**
 * Serves `git fetch` by HTTP without a login, as Gerrit does for projects that anybody may read: a machine with no SSH
 * client can fetch a patchset. Fetching is all it serves. Protocol: git's "smart" HTTP, gitprotocol-http(5).
 */
export async function serveGit(repository: Repository, path: string, req: IncomingMessage, res: ServerResponse) {
  const advertise = path === '/info/refs';
  const service = new URL(req.url ?? '/', 'http://localhost').searchParams.get('service');
  if (advertise ? req.method !== 'GET' || service !== SERVICE : req.method !== 'POST') {
    res.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' });
    res.end('The sandbox Gerrit serves fetches by HTTP, and nothing else.\n');
    return;
  }
  const protocol = req.headers['git-protocol'];
  const child = repository.uploadPack({
    stateless: advertise ? 'advertise' : 'serve',
    ...(typeof protocol === 'string' && { protocol }),
  });
  child.on('error', () => res.destroy()); // git is gone since the start
  child.stderr.resume();
  res.on('close', () => child.kill());
  res.writeHead(200, {
    'content-type': `application/x-${SERVICE}-${advertise ? 'advertisement' : 'result'}`,
    'cache-control': 'no-cache',
  });
  if (advertise) {
    // before version 2, the name of the service and a flush stand in front of what git says itself
    if (!String(protocol).includes('version=2')) res.write(`001e# service=${SERVICE}\n0000`);
    child.stdin.end();
  } else {
    const body = req.headers['content-encoding'] === 'gzip' ? req.pipe(createGunzip()) : req;
    pipeline(body, child.stdin).catch(() => {}); // git's own end tells
  }
  await pipeline(child.stdout, res).catch(() => {}); // the client went away
}
