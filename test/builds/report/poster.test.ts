import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Poster, type ReportEntry } from '../../../lib/builds/report/poster.ts';
import type { ReportState } from '../../../lib/builds/types.ts';
import { CiError } from '../../../lib/errors/ci-error.ts';
import type { GerritClient } from '../../../lib/gerrit/client.ts';
import type { LinkHealth } from '../../../lib/ssh/types.ts';
import { Outbox } from '../../../lib/store/outbox.ts';
import { waitFor } from '../../support/wait.ts';

const entry = (more: Partial<ReportEntry> = {}): ReportEntry => ({
  set: 's1',
  node: 'review',
  server: 'gerrit',
  label: '1,1',
  project: 'demo',
  change: 1,
  patchset: 1,
  review: { message: 'Build succeeded (check pipeline).' },
  at: Date.now(),
  ...more,
});

/** Makes a poster with a fake Gerrit that the test controls. */
function posting(t: { after(done: () => void): void }) {
  const told: ReportState[] = [];
  const gerrit = {
    health: { state: 'up' } as LinkHealth,
    /** Messages on the change. */
    messages: [] as string[],
    /** Number of posts to come that succeed but are not answered. */
    lose: 0,
    asked: 0,
  };
  const client = {
    async hasMessage(_change: object, text: string) {
      gerrit.asked += 1;
      return gerrit.messages.includes(text);
    },
    async postReview({ review }: ReportEntry) {
      gerrit.messages.push(review.message ?? '');
      if (gerrit.lose-- > 0)
        throw new CiError({ code: 'ssh/gone', blame: 'worker', message: 'the connection was lost', retryable: true });
      return { dropped: [], warnings: [] };
    },
  } as unknown as GerritClient;
  const poster = new Poster(
    new Outbox<ReportEntry>(),
    (id) => (id === 'gerrit' ? { label: 'gerrit', ciName: 'my-ci', client, link: gerrit } : undefined),
    (_entry, state) => told.push(state),
  );
  t.after(() => poster.close());
  const states = (): ReportState['state'][] => told.map(({ state }) => state);
  return { poster, gerrit, told, states };
}

test('a report whose answer was lost is not posted twice', async (t) => {
  const { poster, gerrit, states } = posting(t);
  gerrit.lose = 1;
  poster.put('a', entry());
  await waitFor('it is posted', () => states().includes('posted'));
  assert.deepEqual(gerrit.messages.length, 1);
});

test('a report with the text of an earlier one is posted, even if Gerrit was down at its first try', async (t) => {
  const { poster, gerrit, states } = posting(t);
  poster.put('a', entry());
  await waitFor('the first is posted', () => states().includes('posted'));
  gerrit.health = { state: 'down' };
  poster.put('b', entry({ set: 's2' }));
  await waitFor('the second waits', () => states().includes('waiting'));
  gerrit.health = { state: 'up' };
  await waitFor('the second is done', () => states().filter((state) => state === 'posted').length === 2);
  assert.equal(gerrit.messages.length, 2);
});

test('a report without a server fails at once and says what to do', async (t) => {
  const { poster, told, states } = posting(t);
  poster.put('a', entry({ server: '' }));
  await waitFor('it has failed', () => states().includes('failed'));
  const [state] = told;
  assert.match(state?.state === 'failed' ? state.message : '', /Select a server in the gerrit-review node/);
});
