import type { Request, RequestHandler, Response } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { fromElsewhere } from './same-origin.ts';

/**
 * Makes a request handler that responds with the result of `work` as JSON, or with `{ok: false, error}` if it throws.
 * POST requests from other sites are refused.
 */
export const answer =
  (work: (req: Request) => Promise<unknown> | unknown): RequestHandler =>
  (req: Request, res: Response) => {
    Promise.resolve()
      .then(() => {
        if (req.method === 'POST' && fromElsewhere(req.headers))
          throw new Error('This request came from a page of another site, so it was refused. Use the editor itself.');
        return work(req);
      })
      .then((body) => res.json(body ?? { ok: true }))
      .catch((error: unknown) => res.json({ ok: false, error: messageOf(error) }));
  };

/** Serves POST recheck/<type>/<id>/<action> for a node's button. Responds with `{ok: true}` and what `act` returns. */
export function nodeAction(
  RED: NodeAPI,
  type: string,
  action: string,
  act: (node: Node) => Promise<object | undefined>,
): void {
  RED.httpAdmin.post(
    `/recheck/${type}/:id/${action}`,
    RED.auth.needsPermission(`${type}.write`),
    answer(async (req) => ({ ok: true, ...(await act(find(RED, type, req))) })),
  );
}

/** Serves GET recheck/<type>/<id>/<question> for a node's button. Responds with what `ask` returns. */
export function nodeQuestion(RED: NodeAPI, type: string, question: string, ask: (node: Node) => unknown): void {
  RED.httpAdmin.get(
    `/recheck/${type}/:id/${question}`,
    RED.auth.needsPermission(`${type}.read`),
    answer((req) => ask(find(RED, type, req))),
  );
}

/** Returns the deployed node of a type that the `id` of a request names. @throws Error if it is not deployed */
export function find(RED: NodeAPI, type: string, req: Request): Node {
  const node = RED.nodes.getNode(String(req.params['id']));
  if (!node || (node as { type?: string }).type !== type)
    throw new Error('This node is not deployed yet. Deploy, then try again.');
  return node;
}
