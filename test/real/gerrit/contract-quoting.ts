import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runLine } from '../../support/gerrit-session.ts';
import type { ContractContext } from './contract-context.ts';

/** Arguments that a shell, a JSON parser or a naive splitter would change. */
const ODD_ARGUMENTS = [
  'plain',
  'two  spaces and\ta tab',
  "it's 'quoted'",
  'say "hello"',
  'back\\slash \\n \\',
  '$HOME $(id) `id` !! * ? ~ # ; & | < > ( ) { } [ ]',
  'line one\nline two\n\nline four',
  '-m --message',
  'äöü € 😀 \u00a0 end',
  "'",
  '"',
];

/** Tests how Gerrit splits a command line into arguments, which differs from a shell. */
export function quotingContract(context: ContractContext): void {
  const lastMessage = async (change: number) => (await context.gerrit.messages(change)).at(-1)?.message;

  describe('quoting', () => {
    test('single quotes preserve every argument except for an empty one', async () => {
      const { gerrit, session } = context;
      const { number } = await gerrit.pushChange();
      for (const text of ODD_ARGUMENTS) {
        const argv = ['gerrit', 'review', '--project', gerrit.project, '-m', text, `${number},1`];
        const { code, stderr } = await session.run(gerrit.target, argv);
        assert.equal(code, 0, `${text}: ${stderr}`);
        assert.equal(await lastMessage(number), `Patch Set 1:\n\n${text}`);
      }
    });

    test('an empty argument vanishes and shifts the others', async () => {
      const { gerrit } = context;
      const { number } = await gerrit.pushChange();
      const { code, stderr } = await runLine(
        gerrit.target,
        `gerrit review --project ${gerrit.project} -m '' ${number},1`,
      );
      assert.equal(code, 1);
      assert.match(stderr, /fatal: Argument "\{COMMIT \| CHANGE,PATCHSET\}" is required/);
    });

    test('double quotes and bare words allow backslash escapes, and nothing is expanded', async () => {
      const { gerrit } = context;
      const { number } = await gerrit.pushChange();
      const forms: [written: string, read: string][] = [
        ['"a \\"b\\" $HOME `id`"', 'a "b" $HOME `id`'],
        ['a\\ b\\\\c', 'a b\\c'],
        ["'a \\n b'", 'a \\n b'],
        ['a\'b \'c" d"', 'ab c d'],
        ['*', '*'],
      ];
      for (const [written, read] of forms) {
        const line = `gerrit  review\t--project ${gerrit.project} -m ${written} ${number},1`;
        const { code, stderr } = await runLine(gerrit.target, line);
        assert.equal(code, 0, `${written}: ${stderr}`);
        assert.equal(await lastMessage(number), `Patch Set 1:\n\n${read}`);
      }
    });

    test('a newline does not separate arguments, and an unclosed quote includes the rest of the line', async () => {
      const { gerrit } = context;
      const { number } = await gerrit.pushChange();
      const review = `gerrit review --project ${gerrit.project}`;
      const { code } = await runLine(gerrit.target, `${review} -m one\ntwo ${number},1`);
      assert.equal(code, 0);
      assert.equal(await lastMessage(number), 'Patch Set 1:\n\none\ntwo');
      const swallowed = await runLine(gerrit.target, `${review} ${number},1 -m 'open and ${number},1`);
      assert.equal(swallowed.code, 0, swallowed.stderr);
      assert.equal(await lastMessage(number), `Patch Set 1:\n\nopen and ${number},1`);
    });
  });
}
