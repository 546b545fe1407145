import type { NodeAPI, NodeDef } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { GerritClient } from '../../lib/gerrit/client.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { isLoopbackHost } from '../../lib/util/loopback.ts';
import type { GerritServerNode, ServerEntry } from '../shared/config-nodes.ts';
import { guard } from '../shared/handler.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { textOf } from '../shared/settings.ts';
import { SSH_CREDENTIALS, type SshConfig, targetOf } from '../shared/ssh-settings.ts';
import { serverAdmin } from './admin.ts';
import { acquireSandbox, serveSandbox } from './sandbox.ts';

/** Settings of a gerrit-server node. */
export interface GerritServerConfig extends NodeDef, SshConfig {
  name: string;
  kind: 'ssh' | 'sandbox';
  ciName: string;
}

/** gerrit-server: one SSH connection to a Gerrit, shared by all nodes that use it. */
export default function (RED: NodeAPI): void {
  serverAdmin(RED);
  serveSandbox(RED);
  RED.nodes.registerType(
    'gerrit-server',
    function (this: GerritServerNode, config: GerritServerConfig) {
      RED.nodes.createNode(this, config);
      const { pool, servers, supervisor } = runtimeOf(RED);
      const sandbox = config.kind === 'sandbox' ? acquireSandbox(RED) : undefined;
      let closed = false;
      const open = (target: SshTarget, ciName: string, local: boolean): ServerEntry => {
        const link = pool.acquire(target);
        const entry = {
          id: config.id,
          label: target.label,
          ciName,
          ciUser: target.user,
          local,
          link,
          client: new GerritClient(link),
        };
        if (closed) {
          link.release();
          return entry;
        }
        servers.set(config.id, entry);
        // Posts waiting reports as soon as the server is reachable again.
        link.onHealth(({ state }) => {
          if (state === 'up') supervisor.reporter.retryNow();
        });
        return entry;
      };
      this.server = sandbox
        ? sandbox.gerrit.then((gerrit) => open(gerrit.target, gerrit.ciName, true))
        : targetOf('gerrit', config, this.credentials, 29418).then((target) =>
            open(target, textOf(config.ciName, 'my-ci'), isLoopbackHost(target.host)),
          );
      // Nodes that use the server show the error in their status; here, it is logged once.
      guard(this, async () => {
        await this.server.catch((error) => this.error(messageOf(error)));
      });
      this.on('close', () => {
        closed = true;
        sandbox?.release();
        void this.server
          .then((entry) => {
            if (servers.get(config.id) === entry) servers.delete(config.id);
            entry.link.release();
          })
          .catch(() => undefined);
      });
    },
    { credentials: SSH_CREDENTIALS },
  );
}
