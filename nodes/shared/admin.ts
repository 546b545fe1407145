import type { Request, RequestHandler, Response } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { GerritClient } from '../../lib/gerrit/client.ts';
import { connectHost } from '../../lib/ssh/connect.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import { runtimeOf } from './runtime.ts';
import { fromElsewhere } from './same-origin.ts';
import { numberOf, textOf } from './settings.ts';
import { type SshConfig, type SshCredentials, targetOf } from './ssh-settings.ts';

/** Milliseconds that a test of a connection may take. */
const TEST_LIMIT = 20_000;
/** What the editor sends for a secret that was not changed. */
const UNCHANGED = '__PWRD__';

/** Runs an asynchronous answer; what it throws is answered as `{ok: false, error}`. */
export const answer =
  (work: (req: Request) => Promise<unknown> | unknown): RequestHandler =>
  (req: Request, res: Response) => {
    Promise.resolve()
      .then(() => {
        if (req.method === 'POST' && fromElsewhere(req.headers))
          throw new Error('A page of another site asked for this, so nothing was done. Use the editor itself.');
        return work(req);
      })
      .then((body) => res.json(body ?? { ok: true }))
      .catch((error: unknown) => res.json({ ok: false, error: messageOf(error) }));
  };

/** POST recheck/<type>/<id>/<action>, for a node's button. */
export function nodeAction(RED: NodeAPI, type: string, action: string, act: (node: Node) => Promise<void>): void {
  RED.httpAdmin.post(
    `/recheck/${type}/:id/${action}`,
    RED.auth.needsPermission(`${type}.write`),
    answer(async (req) => {
      await act(find(RED, type, req));
    }),
  );
}

/** GET recheck/<type>/<id>/<question>, for a node's button. */
export function nodeQuestion(RED: NodeAPI, type: string, question: string, ask: (node: Node) => unknown): void {
  RED.httpAdmin.get(
    `/recheck/${type}/:id/${question}`,
    RED.auth.needsPermission(`${type}.read`),
    answer((req) => ask(find(RED, type, req))),
  );
}

/** The deployed node that a request names. */
export function find(RED: NodeAPI, type: string, req: Request): Node {
  const node = RED.nodes.getNode(String(req.params['id']));
  if (!node || (node as { type?: string }).type !== type)
    throw new Error('This node is not deployed yet. Deploy, and press again.');
  return node;
}

/** Tests of gerrit-server's form. */
export function serverAdmin(RED: NodeAPI): void {
  keyAdmin(RED);
  RED.httpAdmin.post(
    '/recheck/test/gerrit-server',
    RED.auth.needsPermission('gerrit-server.write'),
    answer(async (req) => {
      const target = await asked(RED, req, 'gerrit', 29418);
      const { knownHosts, pool } = runtimeOf(RED);
      // One try on a connection of its own: the shared one may be waiting for its next try.
      const host = await connectHost(target, { knownHosts, timeout: TEST_LIMIT });
      host.close();
      const link = pool.acquire(target);
      try {
        const config = req.body.config as { label?: unknown };
        const check = await new GerritClient(link).check(AbortSignal.timeout(TEST_LIMIT), {
          label: textOf(config.label, 'Verified'),
        });
        return { ok: true, ...check, hostKey: knownHosts.entry(target.host, target.port).pinned };
      } finally {
        link.release();
      }
    }),
  );
}

/** Tests of ssh-host's form. */
export function hostAdmin(RED: NodeAPI): void {
  keyAdmin(RED);
  RED.httpAdmin.post(
    '/recheck/test/ssh-host',
    RED.auth.needsPermission('ssh-host.write'),
    answer(async (req) => {
      const target = await asked(RED, req, 'host', 22);
      const { knownHosts } = runtimeOf(RED);
      const host = await connectHost(target, { knownHosts, timeout: TEST_LIMIT });
      try {
        // A login whose shell runs no commands is of no use.
        await host.run(['true'], { timeout: TEST_LIMIT });
      } finally {
        host.close();
      }
      return { ok: true, hostKey: knownHosts.entry(target.host, target.port).pinned };
    }),
  );
}

let keyAdminDone = false;

/** Key pairs and pinned host keys, which both forms show. */
function keyAdmin(RED: NodeAPI): void {
  if (keyAdminDone) return;
  keyAdminDone = true;
  const allowed = RED.auth.needsPermission('gerrit-server.write');
  RED.httpAdmin.post(
    '/recheck/keys',
    allowed,
    answer(() => generateKeyPair('recheck')),
  );
  RED.httpAdmin.get(
    '/recheck/host-key',
    RED.auth.needsPermission('gerrit-server.read'),
    answer((req) => runtimeOf(RED).knownHosts.entry(textOf(req.query['host']), numberOf(req.query['port'], 22))),
  );
  RED.httpAdmin.post(
    '/recheck/host-key',
    allowed,
    answer((req) => {
      const { host, port, action } = req.body as { host?: unknown; port?: unknown; action?: unknown };
      const { knownHosts, servers } = runtimeOf(RED);
      const at = [textOf(host), numberOf(port, 22)] as const;
      if (action === 'accept') knownHosts.accept(...at);
      else if (action === 'forget') knownHosts.forget(...at);
      else throw new Error('A host key is accepted or forgotten, nothing else.');
      for (const { link } of servers.values())
        if (link.target.host === at[0] && link.target.port === at[1]) link.retry();
      return knownHosts.entry(...at);
    }),
  );
}

/** The target of an open form: what it says now, secrets that were not typed anew as they are stored. */
async function asked(RED: NodeAPI, req: Request, kind: string, port: number): Promise<SshTarget> {
  const body: unknown = req.body;
  if (!isRecord(body) || !isRecord(body['config'])) throw new Error('The form sent nothing to test.');
  const stored = (RED.nodes.getCredentials(textOf(body['id'])) ?? {}) as SshCredentials;
  const typed = (isRecord(body['credentials']) ? body['credentials'] : {}) as SshCredentials;
  const credentials: SshCredentials = { ...stored };
  for (const name of ['privateKey', 'passphrase'] as const) {
    if (typed[name] !== undefined && typed[name] !== UNCHANGED) credentials[name] = typed[name];
  }
  return targetOf(kind, body['config'] as unknown as SshConfig, credentials, port);
}
