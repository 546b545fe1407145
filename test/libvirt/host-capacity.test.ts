import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostCapacity } from '../../lib/libvirt/host-capacity.ts';
import { scriptedHost } from './scripted-host.ts';

const signal = AbortSignal.timeout(5_000);
const read = (memory: number, load: string) =>
  hostCapacity(
    scriptedHost(() => ({
      stdout: `MemTotal: 9 kB\nMemAvailable:   ${memory * 1024} kB\nSwapFree: 0 kB\n${load} 1.00 0.50 1/200 4242\n`,
    })),
    { memory: 1024, load: 4 },
    signal,
  );

test('a worker reports its free memory and load, and why it accepts no build', async () => {
  assert.deepEqual(await read(4096, '0.52'), { memory: 4096, load: 0.52 });
  assert.equal((await read(512, '0.52')).reason, 'has 512 MiB of free memory, and 1024 are wanted');
  assert.equal((await read(4096, '7.10')).reason, 'has a load of 7.1, and takes builds up to 4');
  await assert.rejects(
    hostCapacity(
      scriptedHost(() => ({ code: 1 })),
      { memory: 1, load: 1 },
      signal,
    ),
    {
      code: 'worker/facts',
    },
  );
});

test('memory promised to a guest and not taken yet is not free, including the overhead of emulation', async () => {
  const qemu = (rss: number, domain: string) =>
    `${rss * 1024} /usr/bin/qemu-system-x86_64 -name guest=${domain},debug-threads=on -S -m size=1048576k\n`;
  const free = async (promised: [string, number][], processes: string, memory = 4096) =>
    (
      await hostCapacity(
        scriptedHost(() => ({ stdout: `MemAvailable: ${memory * 1024} kB\n0.10 0.10 0.10 1/2 3\n${processes}` })),
        { memory: 0, load: 4 },
        signal,
        new Map(promised),
      )
    ).memory;
  assert.equal(await free([], qemu(500, 'somebodys')), 4096);
  assert.equal(await free([['a', 1216]], qemu(216, 'a')), 3096);
  assert.equal(
    await free(
      [
        ['a', 1216],
        ['b', 512],
      ],
      qemu(216, 'a') + qemu(12, 'b'),
    ),
    2596,
  );
  assert.equal(await free([['a', 1216]], qemu(1300, 'a')), 4096, 'it took more than promised');
  assert.equal(await free([['a', 1216]], qemu(216, 'ab')), 4096, 'it has ended');
  assert.equal(await free([['a', 9000]], qemu(16, 'a')), 0);
});
