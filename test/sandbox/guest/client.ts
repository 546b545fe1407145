import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Client, ClientChannel, ConnectConfig } from 'ssh2';
import ssh2 from 'ssh2';
import { type World, worldFor } from '../../worker/sandbox-world.ts';

/** A guest, and a way to log in with ssh2 itself, as any client might. */
export async function guestFor(t: TestContext): Promise<{
  world: World;
  connect(extra?: Partial<ConnectConfig>): Promise<Client>;
}> {
  const world = await worldFor(t);
  const address = await world.boot('unit-1');
  return {
    world,
    async connect(extra = {}) {
      const client = new ssh2.Client();
      t.after(() => client.destroy());
      client.connect({ ...address, username: 'anyone', privateKey: world.keys.privateKey, ...extra });
      await once(client, 'ready');
      client.on('error', () => {});
      return client;
    },
  };
}

/** The end of a channel, listened for from its first moment: it may come in the same packet as the channel itself. */
const ends = new WeakMap<ClientChannel, { exited: Promise<unknown[]>; closed: Promise<unknown> }>();

export const exec = (client: Client, command: string): Promise<ClientChannel> =>
  new Promise((resolve, reject) =>
    client.exec(command, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      const [exited, closed] = [once(channel, 'exit'), once(channel, 'close')];
      // Not every test looks at them.
      for (const end of [exited, closed]) end.catch(() => {});
      ends.set(channel, { exited, closed });
      resolve(channel);
    }),
  );

/** How a command ended: `exit` as the client tells it, and its output. */
export async function outcome(channel: ClientChannel): Promise<{ exit: unknown[]; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  channel.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  channel.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const { exited, closed } = ends.get(channel) ?? { exited: once(channel, 'exit'), closed: once(channel, 'close') };
  await closed;
  return { exit: await exited, stdout, stderr };
}
