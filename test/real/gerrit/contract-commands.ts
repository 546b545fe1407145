import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContractContext } from './contract-context.ts';

/** Tests the read-only commands: version, query, ls-members. */
export function commandContract(context: ContractContext): void {
  const run = (...argv: string[]) => context.session.run(context.gerrit.target, ['gerrit', ...argv]);
  const rows = async (...args: string[]) => {
    const { code, stdout } = await run('query', '--format=JSON', ...args);
    assert.equal(code, 0);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };

  describe('commands', () => {
    test('version prints the version', async () => {
      const { code, stdout } = await run('version');
      assert.equal(code, 0);
      assert.match(stdout, /^gerrit version \S+\n$/);
    });

    test('query: a row has the change, its newest patchset and its comments; the last row has statistics', async () => {
      const { gerrit } = context;
      const first = await gerrit.pushChange({ subject: 'Ask for me' });
      const second = await gerrit.pushChange({ change: first.number, subject: 'Ask for me' });
      await gerrit.comment(first.number, 'recheck');
      await gerrit.comment(first.number, 'a message', 'message');
      const [row, stats, ...more] = await rows('--current-patch-set', '--comments', `change:${first.number}`);
      assert.deepEqual(more, []);
      assert.equal(stats.type, 'stats');
      assert.equal(stats.rowCount, 1);
      assert.equal(stats.moreChanges, false);
      assert.equal(typeof stats.runTimeMilliseconds, 'number');
      assert.equal(row.project, gerrit.project);
      assert.equal(row.branch, 'master');
      assert.match(row.id, /^I[0-9a-f]{40}$/);
      assert.equal(row.number, first.number);
      assert.equal(row.subject, 'Ask for me');
      assert.equal(typeof row.owner.username, 'string');
      assert.match(row.url, /^http.*\d+$/);
      assert.equal(row.status, 'NEW');
      assert.equal(row.open, true);
      assert.ok(Math.abs(row.lastUpdated - Date.now() / 1000) < 600);
      const { currentPatchSet } = row;
      assert.equal(currentPatchSet.number, 2);
      assert.equal(currentPatchSet.revision, second.revision);
      assert.equal(currentPatchSet.ref, second.ref);
      assert.equal(typeof currentPatchSet.uploader.username, 'string');
      assert.equal(typeof currentPatchSet.createdOn, 'number');
      assert.equal(currentPatchSet.kind, 'REWORK');
      // The text of a comment written in the UI is found only in the patchset, without a timestamp.
      assert.deepEqual(
        row.comments.map(({ message }: { message: string }) => message),
        ['Uploaded patch set 1.', 'Uploaded patch set 2.', 'Patch Set 2:\n\n(1 comment)', 'Patch Set 2:\n\na message'],
      );
      assert.equal(typeof row.comments[0].timestamp, 'number');
      assert.equal(typeof row.comments[0].reviewer.username, 'string');
      const [level] = currentPatchSet.comments;
      assert.equal(level.file, '/PATCHSET_LEVEL');
      assert.equal(level.message, 'recheck');
      assert.equal(typeof level.reviewer.username, 'string');
      assert.equal(level.timestamp, undefined);
    });

    test('query: options decide what a row has', async () => {
      const { number } = await context.gerrit.pushChange();
      const [row] = await rows(`change:${number}`);
      assert.equal(row.currentPatchSet, undefined);
      assert.equal(row.comments, undefined);
      const [all] = await rows('--patch-sets', '--submit-records', `change:${number}`);
      assert.equal(all.patchSets[0].number, 1);
      const labels = all.submitRecords.flatMap((record: { labels?: { label: string }[] }) => record.labels ?? []);
      assert.ok(labels.some(({ label }: { label: string }) => label === 'Verified'));
    });

    test('query: status, project, limit and age select changes, the last updated one first', async () => {
      const { gerrit } = context;
      const one = await gerrit.pushChange();
      const two = await gerrit.pushChange();
      const condition = `status:open project:"${gerrit.project}"`;
      const limited = await rows(`${condition} limit:1`);
      assert.equal(limited[0].number, two.number);
      assert.equal(limited.at(-1).moreChanges, true);
      const numbers = (await rows(`${condition} limit:2`)).slice(0, -1).map((row) => row.number);
      assert.deepEqual(numbers, [two.number, one.number]);
      assert.equal(
        (await rows(`status:open -age:3600s (project:"nope" OR project:"${gerrit.project}") limit:1`)).length,
        2,
      );
      assert.deepEqual(
        (await rows(`project:"nope" status:open`)).map(({ type }) => type),
        ['stats'],
      );
      await gerrit.abandon(two.number);
      assert.notEqual((await rows(`${condition} limit:1`))[0].number, two.number);
      assert.equal((await rows(`change:${two.number}`))[0].status, 'ABANDONED');
    });

    test('query: an error is also a row, and the exit code is 0', async () => {
      const [row] = await rows('status:bogus');
      assert.equal(row.type, 'error');
      assert.equal(typeof row.message, 'string');
    });

    test('ls-members prints a tab-separated table', async () => {
      const { code, stdout } = await run('ls-members', 'Service Users');
      assert.equal(code, 0);
      const [head, ...members] = stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
      assert.deepEqual(head, ['id', 'username', 'full name', 'email']);
      assert.ok(members.some(([, username]) => username === context.gerrit.ciUser));
    });
  });
}
