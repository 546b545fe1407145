import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import ssh2, { type ServerChannel } from 'ssh2';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';

/** Ends the output. ssh2's own `eof` would not send an exit status after it, as Gerrit does. */
function sayEof(channel: ServerChannel): void {
  const inside = channel as unknown as {
    _client: { _protocol: { channelEOF(id: number): void } };
    outgoing: { id: number };
  };
  inside._client._protocol.channelEOF(inside.outgoing.id);
}

test('an exit status that comes after the end of the output is received, as from Gerrit', async (t) => {
  const server = new ssh2.Server({ hostKeys: [generateKeyPair('host').privateKey] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) => {
      accept().on('exec', (start) => {
        const channel = start();
        let input = '';
        channel.on('data', (chunk: Buffer) => {
          input += chunk;
        });
        channel.on('end', () => {
          channel.write(input);
          sayEof(channel);
          setTimeout(() => {
            channel.exit(3);
            channel.close();
          }, 100);
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dir = await mkdtemp(join(tmpdir(), 'stdin-'));
  const { port } = server.address() as AddressInfo;
  const { privateKey } = generateKeyPair('me');
  const target = { label: 'test', host: '127.0.0.1', port, user: 'me', privateKey, shell: 'none' } as const;
  const host = await connectHost(target, { knownHosts: new KnownHosts(join(dir, 'known-hosts.json')) });
  t.after(async () => {
    host.close();
    server.close();
    await rm(dir, { recursive: true });
  });
  const result = await host.run(['review'], { stdin: 'hello', timeout: 10_000 });
  assert.deepEqual(result, { code: 3, stdout: 'hello', stderr: '' });
});
