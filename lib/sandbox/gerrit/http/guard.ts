import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from '../../../util/loopback.ts';

const NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Why a request is not answered, or undefined. The sandbox is for the people at this machine: it takes clients from
 * loopback only, under a name of loopback only (so that a foreign page whose name was pointed at 127.0.0.1 gets nothing),
 * and takes orders from its own pages only, or from programs that are no browser.
 */
export function refusalOf(req: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(req.socket.remoteAddress ?? '')) {
    return 'The sandbox Gerrit answers on the machine that it runs on, and this request came from another. Open it there, or through an SSH tunnel (ssh -L).';
  }
  const host = req.headers.host ?? '';
  if (!NAMES.has(host.replace(/:\d+$/, '').toLowerCase())) {
    return 'The sandbox Gerrit answers under the names localhost and 127.0.0.1 only. Open it under one of them.';
  }
  if (req.method === 'GET' || req.method === 'HEAD') return undefined;
  const site = req.headers['sec-fetch-site'];
  const origin = req.headers.origin;
  const own = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if ((site !== undefined && site !== 'same-origin' && site !== 'none') || !own) {
    return 'This order came from a page of another site. Use the buttons of the sandbox Gerrit itself.';
  }
  return undefined;
}
