import type { Request } from 'express';
import type { NodeAPI } from 'node-red';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import { answer } from './admin.ts';
import { runtimeOf } from './runtime.ts';
import { numberOf, textOf } from './settings.ts';
import { type SshConfig, type SshCredentials, targetOf } from './ssh-settings.ts';

/** Time limit of each part of a connection test. */
export const TEST_TIMEOUT_MS = 20_000;
/** What the editor sends in place of an unchanged secret. */
const UNCHANGED = '__PWRD__';

/**
 * Serves new key pairs and pinned host keys to the forms of gerrit-server and ssh-host. Both types call it, because
 * either may be disabled; Express uses the first route of a path.
 */
export function keyAdmin(RED: NodeAPI): void {
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
      else throw new Error('The action of a host key is accept or forget.');
      for (const { link } of servers.values())
        if (link.target.host === at[0] && link.target.port === at[1]) link.retry();
      return knownHosts.entry(...at);
    }),
  );
}

/**
 * Returns the SSH target from the settings in an open form. Unchanged secrets are read from the stored credentials.
 *
 * @param port the default port
 * @throws Error if the request has no settings; CiError if its key file cannot be read
 */
export async function targetInForm(RED: NodeAPI, req: Request, kind: string, port: number): Promise<SshTarget> {
  const body: unknown = req.body;
  if (!isRecord(body) || !isRecord(body['config'])) throw new Error('The form sent no settings to test.');
  const stored = (RED.nodes.getCredentials(textOf(body['id'])) ?? {}) as SshCredentials;
  const typed = (isRecord(body['credentials']) ? body['credentials'] : {}) as SshCredentials;
  const credentials: SshCredentials = { ...stored };
  for (const name of ['privateKey', 'passphrase'] as const) {
    if (typed[name] !== undefined && typed[name] !== UNCHANGED) credentials[name] = typed[name];
  }
  return targetOf(kind, body['config'] as unknown as SshConfig, credentials, port);
}
