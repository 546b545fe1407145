import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { EXIT } from '../../lib/storage/programs/programs.ts';

const within = () => ({ signal: AbortSignal.timeout(10_000) });

test('work for which an earlier command was waited for in vain is told as such, and may be tried again', async () => {
  const run: Host['run'] = async () => ({ code: EXIT.busy, stdout: '', stderr: '' });
  const host = { ...localHost('worker w1'), run };
  const storage = hostStorage({ kind: 'btrfs', place: '/ci', host: async () => host });
  await assert.rejects(storage.remove('c1', within()), {
    code: 'storage/busy',
    message: /clone c1.*still running on worker w1/,
    retryable: true,
  });
});
