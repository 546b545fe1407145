import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { EXIT } from '../../lib/storage/programs.ts';

const within = () => ({ signal: AbortSignal.timeout(10_000) });

test('a call that waits too long for an earlier command says so, and may be retried', async () => {
  const run: Host['run'] = async () => ({ code: EXIT.busy, stdout: '', stderr: '' });
  const host = { ...localHost('worker w1'), run };
  const storage = hostStorage({ kind: 'btrfs', place: '/ci', host: async () => host });
  await assert.rejects(storage.remove('c1', within()), {
    code: 'storage/busy',
    message: /clone c1.*still running on worker w1/,
    retryable: true,
  });
});
