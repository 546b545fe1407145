import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');

/** Phrases that read like a translation, and what to write instead. */
const PHRASES: [phrase: RegExp, instead: string][] = [
  [/\bwhere (it|this|that|one) is (missing|gone|given|set|known|lost|empty|needed|wanted)\b/i, 'if it is …'],
  [/\bwhere there (is|are|was|were)\b/i, 'if there is …'],
  [/\bwhere (none|nothing|nobody|no one) (is|was|has|can|could)\b/i, 'if there is no …'],
  [/\b(gives|giving) (the list|true|false|undefined|nothing back|how many|what was)\b/i, 'returns'],
  [/\bfine where\b|\bagain is fine\b/i, 'idempotent'],
  [
    /\ba (line|row|comment|folder|process|slot|way|one) a (job|build|row|worker|process|guest|message)\b/i,
    'one … per …',
  ],
  [/\bhang(s|ing)? on (a|its|the|this|that|private|another)\b/i, 'is attached to'],
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\b(has|have|had) no walls?\b|\bno wall around\b|\bwithout walls?\b/i, 'is not isolated'],
  [/\b(steps?|nodes?) behind (it|them|this)\b/i, 'later steps'],
  [/\bby (itself|themselves)\b/i, 'automatically'],
  [/\bgone on with\b/i, 'resumed'],
  [/\bcannot be had\b/i, 'cannot be downloaded'],
  [/\blet nobody in\b|\blets? us in\b/i, 'SSH login did not succeed'],
  [/\bthe making of\b/i, 'the … build'],
  [/\btime was up\b/i, 'exceeded its time limit'],
  [/\bby way of\b/i, 'through'],
  [/\b(is|are) none of ours\b/i, 'was not created by Recheck'],
  [/\bnothing was said\b/i, 'no output'],
  [/\bas whom\b/i, 'the user to log in as'],
  [/\bwaits, place\b/i, '1st in line'],
  [/\bonly show here\b/i, 'dry run'],
];

/** Files whose words are not ours to choose, or that quote the phrases. */
const EXEMPT = /^(LICENSE|package-lock\.json|test\/docs\/phrases\.test\.ts)$|\.(png|svg|bin)$|\/fixtures\//;

/** Lines of comment leaders and quotes between two words of one sentence. */
const flat = (text: string): string => text.replace(/\n\s*(\*|\/\/|#)?\s*/g, (found) => ' '.padEnd(found.length));

test('no text, comment or test reads like a translation', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean);
  const found: string[] = [];
  for (const file of files) {
    if (EXEMPT.test(file) || !existsSync(join(root, file))) continue;
    const text = readFileSync(join(root, file), 'utf8');
    const sentences = flat(text);
    for (const [phrase, instead] of PHRASES) {
      for (const match of sentences.matchAll(new RegExp(phrase, 'gi'))) {
        const line = text.slice(0, match.index).split('\n').length;
        found.push(`${file}:${line}: "${match[0].replace(/\s+/g, ' ')}": write "${instead}"`);
      }
    }
  }
  assert.deepEqual(found, []);
});
