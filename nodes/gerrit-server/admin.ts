import type { NodeAPI } from 'node-red';
import { GerritClient } from '../../lib/gerrit/client.ts';
import { connectHost } from '../../lib/ssh/connect.ts';
import { answer } from '../shared/admin.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { textOf } from '../shared/settings.ts';
import { keyAdmin, TEST_TIMEOUT_MS, targetInForm } from '../shared/ssh-admin.ts';

/** Serves the connection test of gerrit-server's form: POST recheck/test/gerrit-server `{id, config, credentials}`. */
export function serverAdmin(RED: NodeAPI): void {
  keyAdmin(RED);
  RED.httpAdmin.post(
    '/recheck/test/gerrit-server',
    RED.auth.needsPermission('gerrit-server.write'),
    answer(async (req) => {
      const target = await targetInForm(RED, req, 'gerrit', 29418);
      const { knownHosts, pool } = runtimeOf(RED);
      // One attempt on a separate connection: the shared one may be waiting to reconnect.
      const host = await connectHost(target, { knownHosts, timeout: TEST_TIMEOUT_MS });
      host.close();
      const link = pool.acquire(target);
      try {
        const config = req.body.config as { label?: unknown };
        const check = await new GerritClient(link).check(AbortSignal.timeout(TEST_TIMEOUT_MS), {
          label: textOf(config.label, 'Verified'),
        });
        return { ok: true, ...check, hostKey: knownHosts.entry(target.host, target.port).pinned };
      } finally {
        link.release();
      }
    }),
  );
}
