import type { NodeAPI } from 'node-red';
import { connectHost } from '../../lib/ssh/connect.ts';
import { answer } from '../shared/admin.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { keyAdmin, TEST_TIMEOUT_MS, targetInForm } from '../shared/ssh-admin.ts';

/** Serves the connection test of ssh-host's form: POST recheck/test/ssh-host `{id, config, credentials}`. */
export function hostAdmin(RED: NodeAPI): void {
  keyAdmin(RED);
  RED.httpAdmin.post(
    '/recheck/test/ssh-host',
    RED.auth.needsPermission('ssh-host.write'),
    answer(async (req) => {
      const target = await targetInForm(RED, req, 'host', 22);
      const { knownHosts } = runtimeOf(RED);
      const host = await connectHost(target, { knownHosts, timeout: TEST_TIMEOUT_MS });
      try {
        // A login whose shell cannot run commands is useless.
        await host.run(['true'], { timeout: TEST_TIMEOUT_MS });
      } finally {
        host.close();
      }
      return { ok: true, hostKey: knownHosts.entry(target.host, target.port).pinned };
    }),
  );
}
