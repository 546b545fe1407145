import type { Node, NodeAPI } from 'node-red';
import { sweep } from '../../lib/logs/retention.ts';
import { logHandler } from '../../lib/logs/serve.ts';
import { guard } from '../shared/handler.ts';
import { runtimeOf } from '../shared/runtime.ts';

/** Path of the logs, below Node-RED's `httpNodeRoot`. */
export const LOG_PATH = '/recheck/logs';

/** How often old logs are removed. */
const SWEEP_INTERVAL_MS = 3600_000;

/** Served log folders, by URL path. */
const FOLDERS = { make: () => new Map<string, { root: string; handle: ReturnType<typeof logHandler> }>() };

/**
 * Serves a log folder, and regularly removes old logs from it while the node is deployed.
 *
 * @param keep limits; 0: none
 * @returns the URL of the folder; undefined if `httpNodeRoot` is disabled
 */
export function serveLogs(
  RED: NodeAPI,
  node: Node,
  root: string,
  keep: { days: number; gigabytes: number },
): string | undefined {
  const runtime = runtimeOf(RED);
  const closed = new AbortController();
  const timer = setInterval(tidy, SWEEP_INTERVAL_MS).unref();
  node.on('close', () => {
    clearInterval(timer);
    closed.abort();
  });
  tidy();
  if (!runtime.baseUrl) return undefined;
  const folders = runtime.of(FOLDERS);
  let path = [...folders].find(([, folder]) => folder.root === root)?.[0];
  if (path === undefined) {
    // The first folder gets the short URL; others are numbered.
    const taken = folders.size === 0 ? LOG_PATH : `${LOG_PATH}-${folders.size + 1}`;
    path = taken;
    folders.set(taken, { root, handle: logHandler(root) });
    RED.httpNode.use(taken, (req, res, next) => {
      const folder = runtimeOf(RED).of(FOLDERS).get(taken);
      if (folder) folder.handle(req, res);
      else next();
    });
  }
  return `${runtime.baseUrl}${path}`;

  function tidy(): void {
    guard(node, async () => {
      const live = runtime.supervisor.active().flatMap((build) => (build.log ? [build.log.dir] : []));
      await sweep(
        root,
        { days: keep.days || undefined, gigabytes: keep.gigabytes || undefined, keep: new Set(live) },
        closed.signal,
      ).catch((error: unknown) => {
        // A deploy aborts it; the next node of this folder starts it again.
        if (!closed.signal.aborted) throw error;
      });
    });
  }
}
