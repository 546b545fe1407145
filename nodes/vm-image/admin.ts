import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { imageOn, type WorkerImage } from '../../lib/images/status.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import { answer, find } from '../shared/admin.ts';
import { configNodes, type VmImageNode, type WorkerHostNode } from '../shared/config-nodes.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { numberOf, textOf } from '../shared/settings.ts';

/** Time limit of a request to the workers. */
const WORKER_TIMEOUT_MS = 15_000;

/**
 * Serves the requests of vm-image's form about the deployed image:
 *
 * - GET recheck/images/ID: returns `{ok, image, workers}`, with its state on each worker host
 * - POST recheck/images/ID/build `{worker}`: starts an image build, even if the last one has just failed
 * - GET recheck/images/ID/console?worker=ID: returns the console of its last build there; with `tail`, only that many
 *   bytes from its end
 */
export function imageAdmin(RED: NodeAPI): void {
  const read = RED.auth.needsPermission('vm-image.read');
  const images = () => runtimeOf(RED).services.images;
  const imageOf = (req: Request) => (find(RED, 'vm-image', req) as VmImageNode).spec();

  RED.httpAdmin.get(
    '/recheck/images/:id',
    read,
    answer(async (req) => {
      const image = imageOf(req);
      const signal = AbortSignal.timeout(WORKER_TIMEOUT_MS);
      const workers = await Promise.all(hostsOf(RED).map((host) => stateOn(host, image, signal)));
      return { ok: true, image: `${image.name}@${image.key}`, workers };
    }),
  );

  RED.httpAdmin.post(
    '/recheck/images/:id/build',
    RED.auth.needsPermission('vm-image.write'),
    answer((req) => {
      const image = imageOf(req);
      const worker = workerOf(RED, isRecord(req.body) ? req.body['worker'] : undefined);
      images().forget(worker, image);
      // The limit ends this wait only: the image build continues, and the form polls its state.
      images()
        .provide(worker, image, { signal: AbortSignal.timeout(WORKER_TIMEOUT_MS) })
        .catch(() => undefined);
      return { ok: true };
    }),
  );

  RED.httpAdmin.get('/recheck/images/:id/console', read, (req, res) => {
    sendConsole(req, res).catch((error: unknown) => {
      if (res.headersSent) res.destroy();
      else res.status(404).type('text').send(messageOf(error));
    });
  });

  /** Returns the state of an image on a worker host, which is unknown if the settings of the host are not valid. */
  async function stateOn(host: WorkerHostNode, image: ImageSpec, signal: AbortSignal): Promise<WorkerImage> {
    try {
      return await imageOn(images(), host.worker, image, { signal });
    } catch (error) {
      const label = host.name || host.type;
      return { worker: host.id, label, state: 'unknown', text: messageOf(error), console: false };
    }
  }

  async function sendConsole(req: Request, res: Response): Promise<void> {
    // A guest wrote this: browsers must treat it as plain text only.
    res.set({
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Cache-Control': 'no-store',
    });
    const file = images().consoleFile(workerOf(RED, req.query['worker']), imageOf(req));
    const handle = await open(file).catch(() => {
      throw new Error('There is no console of this image on that worker: no image build with scripts has run there.');
    });
    try {
      const { size } = await handle.stat();
      const start = Math.max(0, size - numberOf(req.query['tail'], size));
      res.type('text/plain; charset=utf-8');
      // The file may grow meanwhile: only its current size is sent.
      if (size > start) await pipeline(handle.createReadStream({ start, end: size - 1, autoClose: false }), res);
      else res.end();
    } finally {
      await handle.close();
    }
  }
}

/** Returns all deployed worker hosts. */
const hostsOf = (RED: NodeAPI): WorkerHostNode[] =>
  configNodes(RED, 'worker-host').filter((host) => host !== undefined);

/** Returns the worker of a worker host. @throws Error if it is not deployed, CiError if its settings are not valid */
function workerOf(RED: NodeAPI, id: unknown): Worker {
  const host = hostsOf(RED).find((one) => one.id === textOf(id));
  if (!host) throw new Error('This worker host is not deployed. Deploy, then try again.');
  return host.worker;
}
