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

/** Milliseconds that a worker is waited for. */
const ASK_LIMIT = 15_000;

/**
 * For vm-image's form, of the image as it is deployed:
 *
 * - GET recheck/images/ID: `{image, workers}`, how it stands on each worker host
 * - POST recheck/images/ID/build `{worker}`: begins its making, however its last one ended
 * - GET recheck/images/ID/console?worker=ID: the console of its last making there; with `tail`, its last so many bytes
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
      const signal = AbortSignal.timeout(ASK_LIMIT);
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
      // The limit is on the wait alone: the making goes on, and its end is asked for like its course.
      images()
        .provide(worker, image, { signal: AbortSignal.timeout(ASK_LIMIT) })
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

  /** One whose worker cannot be made is shown with the reason. */
  async function stateOn(host: WorkerHostNode, image: ImageSpec, signal: AbortSignal): Promise<WorkerImage> {
    try {
      return await imageOn(images(), host.worker, image, { signal });
    } catch (error) {
      const label = host.name || host.type;
      return { worker: host.id, label, state: 'unknown', text: messageOf(error), console: false };
    }
  }

  async function sendConsole(req: Request, res: Response): Promise<void> {
    // What a guest said: to be read, and nothing else.
    res.set({
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Cache-Control': 'no-store',
    });
    const file = images().consoleFile(workerOf(RED, req.query['worker']), imageOf(req));
    const handle = await open(file).catch(() => {
      throw new Error('This image has no console there: it was not made by scripts since the controller keeps one.');
    });
    try {
      const { size } = await handle.stat();
      const start = Math.max(0, size - numberOf(req.query['tail'], size));
      res.type('text/plain; charset=utf-8');
      // It may grow meanwhile: what is there now is sent.
      if (size > start) await pipeline(handle.createReadStream({ start, end: size - 1, autoClose: false }), res);
      else res.end();
    } finally {
      await handle.close();
    }
  }
}

/** Returns all worker hosts that are deployed. */
const hostsOf = (RED: NodeAPI): WorkerHostNode[] =>
  configNodes(RED, 'worker-host').filter((host) => host !== undefined);

/** @throws an error where it is not deployed, or its worker cannot be made */
function workerOf(RED: NodeAPI, id: unknown): Worker {
  const host = hostsOf(RED).find((one) => one.id === textOf(id));
  if (!host) throw new Error('This worker host is not deployed. Deploy, and press again.');
  return host.worker;
}
