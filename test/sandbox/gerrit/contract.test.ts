import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandboxGerrit } from '../../../lib/sandbox/gerrit.ts';
import { gerritContract } from '../../real/gerrit/contract.ts';
import type { GerritUnderTest } from '../../support/gerrit-under-test.ts';

/** Starts the sandbox for the contract's tests. Methods that use REST on a real Gerrit call the sandbox directly. */
async function start(): Promise<GerritUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'sandbox-contract-'));
  const gerrit = await startSandboxGerrit({ dir, httpUrl: 'http://127.0.0.1:1880/sandbox' });
  const find = (number: number) => gerrit.changes().find((one) => one.number === number)!;
  let pushes = 0;
  return {
    target: gerrit.target,
    plainTarget: gerrit.targetOf('ann'),
    ciUser: gerrit.ciName,
    ciName: 'My CI',
    project: gerrit.project,
    async pushChange({ subject, files, change } = {}) {
      pushes += 1;
      const message = subject ?? (change === undefined ? `Change ${pushes}` : undefined);
      const pushed = await gerrit.upload({
        ...(message && { message }),
        files: files ?? { [`file-${pushes}.txt`]: `${pushes}\n` },
        ...(change !== undefined && { change }),
      });
      const { number: patchset, ref, revision } = pushed.patchsets.at(-1)!;
      return { number: pushed.number, patchset, ref, revision };
    },
    comment: (change, text, style) => gerrit.comment(change, text, 'ann', style),
    messages: async (change) => find(change).messages,
    async votes(change) {
      const votes = find(change)
        .patchsets.at(-1)!
        .votes.filter((vote) => vote.by === gerrit.ciName);
      return Object.fromEntries(votes.map((vote) => [vote.label, vote.value]));
    },
    abandon: (change) => gerrit.abandon(change),
    submit: (change) => gerrit.submit(change),
    async close() {
      await gerrit.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

gerritContract('the sandbox', start);
