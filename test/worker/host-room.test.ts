import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostRoom } from '../../lib/worker/host-room.ts';
import { scriptedHost } from '../libvirt/scripted-host.ts';

const signal = AbortSignal.timeout(5_000);
const read = (memory: number, load: string) =>
  hostRoom(
    scriptedHost(() => ({
      stdout: `MemTotal: 9 kB\nMemAvailable:   ${memory * 1024} kB\nSwapFree: 0 kB\n${load} 1.00 0.50 1/200 4242\n`,
    })),
    { memory: 1024, load: 4 },
    signal,
  );

test('a worker tells its free memory and load, and why it takes no build', async () => {
  assert.deepEqual(await read(4096, '0.52'), { memory: 4096, load: 0.52 });
  assert.equal((await read(512, '0.52')).lack, 'has 512 MiB of free memory, and 1024 are wanted');
  assert.equal((await read(4096, '7.10')).lack, 'has a load of 7.1, and takes builds up to 4');
  await assert.rejects(
    hostRoom(
      scriptedHost(() => ({ code: 1 })),
      { memory: 1, load: 1 },
      signal,
    ),
    {
      code: 'worker/facts',
    },
  );
});
