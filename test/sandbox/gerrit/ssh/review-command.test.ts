import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLine } from '../../../support/gerrit-session.ts';
import { temporaryGerrit } from '../temporary.ts';

// The messages and exit codes are those of Gerrit 3.13.5 for the same commands.
const FAILED = '\n\nfatal: one or more reviews failed; review output above\n';

const refusals: [args: string, stderr: string, stdin?: string][] = [
  ['-m x', 'fatal: Argument "{COMMIT | CHANGE,PATCHSET}" is required\n'],
  ["-m '' 1,1", 'fatal: Argument "{COMMIT | CHANGE,PATCHSET}" is required\n'],
  ['-m x 1', 'fatal: "1" is not a valid patch set\n'],
  ['-m x foo', 'fatal: "foo" is not a valid patch set\n'],
  ['-m x 1,9', 'fatal: "1,9" no such patch set\n'],
  ['-m x 99,1', 'fatal: "99" no such change\n'],
  ['--project demo -m x 99,1', 'fatal: database error\n'],
  ['--project All-Projects -m x 1,1', 'fatal: database error\n'],
  ['--project nope -m x 1,1', 'fatal: project nope not found\n'],
  ['--nope 2 1,1', 'fatal: "--nope" is not a valid option\n'],
  ['1,1 --project', 'fatal: Option "--project (-p)" takes an operand\n'],
  ['--label Verified 1,1', "fatal: Label vote missing '=': Verified\n"],
  ['--label Verified=abc 1,1', 'fatal: For input string: "abc"\n'],
  ['--verified abc 1,1', 'fatal: "abc" is not a valid value for "--verified"\n'],
  ['--verified 5 1,1', 'fatal: "5" must be in range -1..+1 for "--verified"\n'],
  ['--notify WHO -m x 1,1', 'fatal: "WHO" is not a valid value for "--notify"\n'],
  ['--code-review 2 1,1', `error: fatal: Applying label "Code-Review": 2 is restricted${FAILED}`],
  ['--abandon -m bye 1,1', `error: fatal: abandon not permitted${FAILED}`],
  ['--restore 1,1', `error: fatal: restore not permitted${FAILED}`],
  ['--submit 1,1', `error: fatal: submit not permitted${FAILED}`],
  ['--submit --abandon 1,1', 'fatal: abandon and submit actions are mutually exclusive\n'],
  ['--json --message x 1,1', 'fatal: json and message are mutually exclusive\n'],
  ['--json 1,1', `error: Applying label "Code-Review": 2 is restricted${FAILED}`, '{"labels":{"Code-Review":2}}'],
  ['--json 1,1', `error: file no.txt not found in revision 1,1${FAILED}`, '{"comments":{"no.txt":[{"message":"x"}]}}'],
  [
    '--json 1,1',
    'error: Expected an existing value for enum com.google.gerrit.extensions.api.changes.NotifyHandling.\n\nfatal: internal error while reading review input\n',
    '{"message":"x","notify":"WHO"}',
  ],
  [
    '--json 1,1',
    'error: java.lang.NumberFormatException: For input string: "x"\n\nfatal: internal error while reading review input\n',
    '{"labels":{"Verified":"x"}}',
  ],
];

test("gerrit review refuses with the real server's messages, and posts nothing", async (t) => {
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  const before = gerrit.changes();
  for (const [args, stderr, stdin] of refusals) {
    const { code, ...output } = await runLine(gerrit.target, `gerrit review ${args}`, stdin);
    assert.deepEqual({ args, code, ...output }, { args, code: 1, stdout: '', stderr });
  }
  assert.deepEqual(gerrit.changes(), before);
});

test('input that is not the JSON of a review is refused, and nothing is posted', async (t) => {
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  for (const stdin of ['{"message":"jj', '[]', '"x"', '{"labels":[1]}', '{"comments":{"a":{}}}', '{"message":{}}']) {
    const { code, stderr } = await runLine(gerrit.target, 'gerrit review --json 1,1', stdin);
    assert.equal(code, 1, stdin);
    assert.match(stderr, /^error: [\s\S]*\n\nfatal: internal error while reading review input\n$/, stdin);
  }
  assert.equal(gerrit.changes()[0]?.messages.length, 1);
});

test('an empty review posts nothing, and unknown labels and values out of range are dropped', async (t) => {
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  const texts = () =>
    gerrit
      .changes()[0]
      ?.messages.slice(1)
      .map((one) => one.message);
  for (const stdin of ['', 'null', '{}', '{"labels":{"Nope":1,"Verified":7}}', '{"nope":[1]}']) {
    const { code, stderr } = await runLine(gerrit.target, 'gerrit review --json 1,1', stdin);
    assert.deepEqual({ stdin, code, stderr }, { stdin, code: 0, stderr: '' });
  }
  assert.deepEqual(texts(), []);
  await runLine(gerrit.target, 'gerrit review --json 1,1', '{"message":"m","labels":{"Nope":1}}');
  assert.deepEqual(texts(), ['Patch Set 1:\n\nm']);
});

test('a message lists votes by name and the number of comments, without surrounding white space', async (t) => {
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  const post = (review: object) => runLine(gerrit.target, 'gerrit review --json 1,1', JSON.stringify(review));
  await post({
    message: ' \n two\n\nparts \n',
    labels: { Verified: '+1', 'Code-Review': -1 },
    comments: { 'greet.sh': [{ line: 2, message: 'a' }], '/PATCHSET_LEVEL': [{ message: 'b' }] },
  });
  await post({ labels: { Verified: 0 } });
  await post({ labels: { Verified: 0 } });
  const texts = gerrit
    .changes()[0]
    ?.messages.slice(1)
    .map((one) => one.message);
  assert.deepEqual(texts, [
    'Patch Set 1: Code-Review-1 Verified+1\n\n(2 comments)\n\ntwo\n\nparts',
    'Patch Set 1: -Verified',
  ]);
});

test('an abandoned change accepts messages but no votes, and a merged change only higher votes', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const one = (await gerrit.upload({ message: 'One', files: { 'a.txt': 'x' } })).number;
  const two = (await gerrit.upload({ message: 'Two', files: { 'b.txt': 'x' } })).number;
  await gerrit.abandon(one);
  await gerrit.submit(two);
  const vote = async (change: number, value: number) => {
    const review = JSON.stringify({ message: 'm', labels: { Verified: value } });
    return (await runLine(gerrit.target, `gerrit review --project demo --json ${change},1`, review)).stderr;
  };
  assert.equal(await vote(one, 1), `error: change is closed${FAILED}`);
  assert.equal(await vote(one, 0), '');
  assert.equal(await vote(two, -1), `error: Cannot reduce vote on labels for closed change: Verified${FAILED}`);
  assert.equal(await vote(two, 1), '');
});

test('an owner may abandon and restore by command, and the administrator may submit', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const number = await gerrit.uploadSample('good');
  const status = () => gerrit.changes()[0]?.status;
  assert.equal((await runLine(gerrit.targetOf('ann'), `gerrit review --abandon -m bye ${number},1`)).code, 0);
  assert.equal(status(), 'ABANDONED');
  assert.equal(gerrit.changes()[0]?.messages.at(-1)?.message, 'Abandoned\n\nbye');
  assert.equal((await runLine(gerrit.targetOf('ann'), `gerrit review --restore ${number},1`)).code, 0);
  assert.equal((await runLine(gerrit.targetOf('admin'), `gerrit review --submit ${number},1`)).code, 0);
  assert.equal(status(), 'MERGED');
});

test('a patchset can be named by its full or abbreviated commit id', async (t) => {
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  const { revision } = gerrit.changes()[0]!.patchsets[0]!;
  for (const name of [revision, revision.slice(0, 7)]) {
    assert.equal((await runLine(gerrit.target, `gerrit review -m x ${name}`)).code, 0);
  }
  assert.equal(gerrit.changes()[0]?.messages.length, 3);
  const unknown = await runLine(gerrit.target, `gerrit review -m x ${'0'.repeat(40)}`);
  assert.match(unknown.stderr, /no such patch set/);
});
