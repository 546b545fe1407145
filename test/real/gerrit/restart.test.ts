import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { commentText } from '../../../lib/gerrit/comment.ts';
import { makeFilter } from '../../../lib/gerrit/filter.ts';
import { type StreamHealth, StreamPool } from '../../../lib/gerrit/stream.ts';
import type { GerritEvent } from '../../../lib/gerrit/types.ts';
import { GerritSession } from '../../support/gerrit-session.ts';
import { waitFor } from '../../support/wait.ts';
import { RealGerrit } from './fixture.ts';

let gerrit: RealGerrit;
let session: GerritSession;
before(async () => {
  session = await GerritSession.open();
  gerrit = await RealGerrit.start();
});
after(async () => {
  await session.close();
  await gerrit?.close();
});

test('the stream survives a server restart; each form of a comment is read', { timeout: 300_000 }, async () => {
  const pool = new StreamPool();
  const events: GerritEvent[] = [];
  let health: StreamHealth = { state: 'connecting' };
  const filter = makeFilter({
    triggers: ['patchset', 'recheck'],
    projects: [{ match: 'exact', pattern: gerrit.project }],
    ciUser: gerrit.ciUser,
    ciName: gerrit.ciName,
  });
  pool.attach(session.link(gerrit.target), 'restart', ['patchset-created', 'comment-added'], {
    onEvent: (event) => void events.push(event),
    onHealth: (now) => {
      health = now;
    },
  });
  const comment = (text: string) =>
    waitFor(`the comment: ${text}`, () => events.find((event) => event.comment && commentText(event) === text), 30_000);
  try {
    await waitFor('the stream is up', () => health.state === 'up', 20_000);

    // A vote on an old patchset that is copied to the newest one adds a block to the message.
    const { number } = await gerrit.pushChange();
    await gerrit.pushChange({ change: number });
    const vote = { labels: { 'Code-Review': -2 }, message: 'recheck no bug', comments: { 'nit.txt': [] } };
    await gerrit.admin.call('POST', `changes/${number}/revisions/1/review`, vote);
    const copied = await comment('recheck no bug');
    assert.match(copied.comment ?? '', /^Patch Set 1: Code-Review-2\n\n/);
    assert.ok(filter(copied).take);

    await gerrit.site.stop();
    await waitFor('the stream is down', () => health.state !== 'up', 30_000);
    await gerrit.site.configure('event.comment-added.publishPatchSetLevelComment', 'false');
    await gerrit.site.start();
    await waitFor('the stream is up again', () => health.state === 'up', 90_000);

    // With that setting, events of 3.10 and 3.13 lack the text of a comment written in the UI, but not of a message.
    await gerrit.comment(number, 'recheck');
    await gerrit.comment(number, 'recheck acme-test-ci', 'message');
    assert.ok(filter(await comment('recheck acme-test-ci')).take);
    const silent = events.find((event) => event.comment === 'Patch Set 2:\n\n(1 comment)');
    assert.equal(commentText(silent!), '');
    assert.equal(silent?.patchSetComments, undefined);
  } finally {
    pool.close();
  }
});
