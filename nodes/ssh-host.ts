import type { Node, NodeAPI, NodeDef } from 'node-red';
import { hostWithin } from '../lib/ssh/host-within.ts';
import type { Host } from '../lib/ssh/types.ts';
import { hostAdmin } from './shared/admin.ts';
import { runtimeOf } from './shared/runtime.ts';
import { SSH_CREDENTIALS, type SshConfig, type SshCredentials, targetOf } from './shared/ssh-settings.ts';
import { useTexts } from './shared/texts.ts';

export interface SshHostNode extends Node<Required<SshCredentials>> {
  /** The machine, over the shared connection, until it is released; a CiError where it cannot be reached in time. */
  open(signal: AbortSignal): Promise<{ name: string; host: Host; release(): void }>;
}

/** ssh-host: a machine that scripts run on and that is no guest. */
export default function (RED: NodeAPI): void {
  useTexts('ssh-host', RED);
  hostAdmin(RED);
  RED.nodes.registerType(
    'ssh-host',
    function (this: SshHostNode, config: NodeDef & SshConfig) {
      RED.nodes.createNode(this, config);
      const { pool, connectLimit } = runtimeOf(RED);
      this.open = async (signal) => {
        const target = await targetOf('host', config, this.credentials, 22);
        const link = pool.acquire(target);
        try {
          return {
            name: target.label,
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
