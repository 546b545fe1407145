import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Listeners, openListener } from '../../../lib/metadata/route/listener.ts';
import type { OpenRoute } from '../../../lib/metadata/route/open-route.ts';
import { freePort } from '../../support/free-port.ts';
import { waitForEvent } from '../../support/wait.ts';

const signal = AbortSignal.timeout(10_000);
const here = async () => assert.fail('a listener on loopback needs no rules');

test('a redeployed worker takes over its port from running builds; another worker cannot', async () => {
  const port = await freePort();
  const at = { address: '127.0.0.1', port };
  const closed: number[] = [];
  const listeners = new Listeners();
  const open = (id: string, word: string): Promise<OpenRoute> =>
    openListener(
      listeners,
      here,
      at,
      {
        id,
        serve: (socket) => socket.end(word),
        opened: async () => {},
        closed: (gone) => void closed.push(gone.port),
      },
      signal,
    );
  const ask = async (): Promise<string> => {
    const socket = connect(port, '127.0.0.1').setEncoding('utf8');
    let output = '';
    socket.on('data', (text) => {
      output += text;
    });
    await waitForEvent('socket: close', socket, 'close');
    return output;
  };
  const first = await open('a', 'first');
  await assert.rejects(open('b', 'other'), { code: 'worker/metadata-listen' });
  const second = await open('a', 'second');
  assert.equal(await ask(), 'second');
  await second.close();
  assert.equal(await ask(), 'first');
  assert.deepEqual(closed, []);
  await first.close();
  await first.close();
  assert.deepEqual(closed, [port]);
  await (await open('b', 'other')).close();
});
