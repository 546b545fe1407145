import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from '../../../util/loopback.ts';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Returns why a request is refused, or undefined. The sandbox is for users of this machine: it accepts only clients on
 * loopback, only under a name of loopback (against DNS rebinding), and modifications only from its own pages or from
 * programs that are not browsers.
 */
export function refusalOf(req: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(req.socket.remoteAddress ?? '')) {
    return 'The sandbox Gerrit only answers on its own machine, and this request came from another one. Open it there, or through an SSH tunnel (ssh -L).';
  }
  const host = req.headers.host ?? '';
  if (!LOOPBACK_NAMES.has(host.replace(/:\d+$/, '').toLowerCase())) {
    return 'The sandbox Gerrit only answers under the names localhost and 127.0.0.1. Open it under one of them.';
  }
  if (req.method === 'GET' || req.method === 'HEAD') return undefined;
  const site = req.headers['sec-fetch-site'];
  const origin = req.headers.origin;
  const own = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if ((site !== undefined && site !== 'same-origin' && site !== 'none') || !own) {
    return 'This request came from a page of another site. Use the buttons of the sandbox Gerrit.';
  }
  return undefined;
}
