import type { TestContext } from 'node:test';
import type { Client, ConnectConfig } from 'ssh2';
import { logIn } from '../../support/ssh-client.ts';
import { type World, worldFor } from '../worker/sandbox-world.ts';

/** Boots a guest; `connect` logs in to it with ssh2's own client. */
export async function guestFor(t: TestContext): Promise<{
  world: World;
  connect(extra?: Partial<ConnectConfig>): Promise<Client>;
}> {
  const world = await worldFor(t);
  const address = await world.boot('unit-1');
  return {
    world,
    async connect(extra = {}) {
      const client = await logIn({ ...address, username: 'anyone', privateKey: world.keys.privateKey, ...extra });
      t.after(() => client.destroy());
      return client;
    },
  };
}
