import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountOf } from '../../../../lib/sandbox/gerrit/model/accounts.ts';
import { compileQuery } from '../../../../lib/sandbox/gerrit/model/query-language.ts';
import type { Change, Patchset } from '../../../../lib/sandbox/gerrit/model/types.ts';

const NOW = Date.now();
const HOUR = 3_600_000;

const change = (number: number, more: Partial<Change> = {}): Change => ({
  number,
  project: 'demo',
  branch: 'master',
  id: `I${String(number).repeat(40)}`,
  subject: 'x',
  owner: 'ann',
  status: 'NEW',
  createdOn: NOW - 10 * HOUR,
  updatedOn: NOW - number * HOUR,
  meta: '',
  patchsets: [{ revision: String(number).repeat(40), commitMessage: `fix ${number}` } as Patchset],
  messages: [],
  ...more,
});
const changes = [change(1), change(2, { status: 'MERGED', owner: 'admin' }), change(3, { branch: 'stable/1' })];

const find = (query: string): number[] =>
  changes.filter(compileQuery(query, accountOf('ann')).matches).map((one) => one.number);

const cases: [query: string, numbers: number[]][] = [
  ['status:open', [1, 3]],
  ['is:merged', [2]],
  ['status:closed OR branch:stable/1', [2, 3]],
  ['status:open branch:master', [1]],
  ['status:open AND NOT branch:master', [3]],
  ['status:open -branch:master', [3]],
  ['project:demo (branch:"stable/1" OR status:merged)', [2, 3]],
  ['project:^de.* branch:^stable/.*', [3]],
  ['project:other', []],
  ['change:2', [2]],
  ['change:demo~3', [3]],
  [`change:I${'1'.repeat(40)}`, [1]],
  ['3', [3]],
  ['commit:2222222', [2]],
  ['message:"FIX 1"', [1]],
  ['owner:self', [1, 3]],
  ['owner:admin@example.com', [2]],
  ['age:90m', [2, 3]],
  ['status:open -age:90m', [1]],
  [
    `after:${new Date(NOW - 2.5 * HOUR).toISOString().slice(0, 19).replace('T', '_').replace('_', ' ').replace(/(.*)/, '"$1"')}`,
    [1, 2],
  ],
  [`before:{${new Date(NOW - 2.5 * HOUR).toISOString().slice(0, 19).replace('T', ' ')}}`, [3]],
  ['after:2001-01-01', [1, 2, 3]],
];
for (const [query, numbers] of cases) {
  test(`query ${query.replace(/\d{4}-.*/, 'a time')}`, () => assert.deepEqual(find(query), numbers));
}

test('limit: is not a condition', () => {
  const query = compileQuery('status:open limit:7', accountOf('ann'));
  assert.equal(query.limit, 7);
  assert.deepEqual(changes.filter(query.matches).length, 2);
});

const refusals: [query: string, message: string][] = [
  ['nope:1', 'Unsupported operator nope:1'],
  ['status:xyz', 'Unrecognized value: xyz'],
  ['limit:0', 'limit must be positive: 0'],
  ['limit:x', 'Invalid limit: x'],
  ['after:foo', 'Invalid date format: foo'],
  ['age:foo', 'Error in operator age:foo'],
  ['(', "line 1:1 no viable alternative at input '<EOF>'"],
];
for (const [query, message] of refusals) {
  test(`query ${query} is refused as the real server does`, () => assert.throws(() => find(query), { message }));
}
