import { createHash } from 'node:crypto';
import type { NodeAPI, NodeDef } from 'node-red';
import { hostWithin } from '../../lib/ssh/host-within.ts';
import { isLoopbackHost } from '../../lib/util/loopback.ts';
import type { SshHostNode } from '../shared/config-nodes.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { numberOf, textOf } from '../shared/settings.ts';
import { SSH_CREDENTIALS, type SshConfig, targetOf } from '../shared/ssh-settings.ts';
import { hostAdmin } from './admin.ts';

/** ssh-host: a machine, other than a guest, on which scripts run. */
export default function (RED: NodeAPI): void {
  hostAdmin(RED);
  RED.nodes.registerType(
    'ssh-host',
    function (this: SshHostNode, config: NodeDef & SshConfig) {
      RED.nodes.createNode(this, config);
      const { pool, connectLimit } = runtimeOf(RED);
      const { credentials } = this;
      // Hosts with the same settings are the same, even if their names differ.
      const { host, port, user, keyFile, hostKey } = config;
      const target = () => targetOf('host', config, credentials, 22);
      Object.assign(this, {
        target,
        address: `${textOf(config.host)}:${numberOf(config.port, 22, 1)}`,
        isHere: isLoopbackHost(textOf(config.host)),
        identity: createHash('sha256')
          .update(JSON.stringify([host, port, user, keyFile, hostKey, credentials]))
          .digest('hex'),
      });
      this.open = async (signal) => {
        const link = pool.acquire(await target());
        try {
          return {
            name: link.target.label,
            host: await hostWithin(link, connectLimit, signal),
            release: () => link.release(),
          };
        } catch (error) {
          link.release();
          throw error;
        }
      };
    },
    { credentials: SSH_CREDENTIALS },
  );
}
