import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { bootFailed, notUpInTime } from '../../lib/errors/build-guest.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { commandFailed } from '../../lib/errors/gerrit.ts';
import { imageNotBooted, imageScriptFailed } from '../../lib/errors/image.ts';
import { virshFailed } from '../../lib/errors/libvirt.ts';
import { scriptNotStarted } from '../../lib/errors/ssh-command.ts';
import { workFailed } from '../../lib/errors/storage.ts';
import { guestDied, rulesFailed } from '../../lib/errors/worker.ts';
import { lastLines } from '../../lib/util/last-lines.ts';
import { clip, lastPlainLines, plainLine, plainLines, quoted } from '../../lib/util/plain-text.ts';

/** Throws for text that a terminal, a browser or a mail program would not show as it is. */
function assertPlain(text: string): void {
  assert.doesNotMatch(text, /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/);
  assert.doesNotMatch(text, /\[\??[\d;]*[A-Za-z]\b(?! )/, 'the rest of an escape sequence');
  assert.ok(text.isWellFormed());
}

test("systemd's colours, its window size question and the kernel's carriage returns leave their words only", () => {
  const console = [
    '\x1b7\x1b[r\x1b[32766;32766H\x1b[6n\x1b8\x1b[?7l',
    '[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell server.\r\r\n',
    '[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mx.service\x1b[0m.\r\n',
    '[    1.234567] EXT4-fs (vda1): mounted\r\n\r\n',
  ].join('');
  assert.deepEqual(plainLines(console), [
    '[  OK  ] Started ssh.service - OpenBSD Secure Shell server.',
    '[FAILED] Failed to start x.service.',
    '[    1.234567] EXT4-fs (vda1): mounted',
  ]);
});

test("GRUB's screen, drawn at positions without newlines, becomes lines", () => {
  const screen =
    '\x1b[?25l\x1b[2J\x1b[1;1H\x1b[0;37;40m\x1b[2;28HGNU GRUB  version 2.12\x1b[4;2H+---+\x1b[5;2H|\x1b[7m*Debian GNU/Linux\x1b[0m\x1b[5;79H|\x1b[20;4H';
  assert.deepEqual(plainLines(screen), ['GNU GRUB  version 2.12', '+---+', '|*Debian GNU/Linux', '|']);
});

test('carriage returns, backspaces and erased lines are applied', () => {
  assert.equal(plainLine('  1%\r 50%\r\x1b[K100%'), '100%');
  assert.equal(plainLine('\x1b[31m  1%\r\x1b[32m100%\x1b[0m\r'), '100%');
  assert.equal(plainLine('done\r     \r'), 'done');
  assert.equal(plainLine('lokcal\b\b\b\bcal'), 'local');
  assert.equal(plainLine('\b\bN\bNA\bAME _\bx'), 'NAME x');
  assert.equal(plainLine('a\x1b[5Gb'), 'a b');
});

for (const [what, raw, shown] of [
  ['OSC: a title, ended by BEL', '\x1b]0;evil\x07text', 'text'],
  ['OSC: a link, ended by ST', '\x1b]8;;http://x/\x1b\\text\x1b]8;;\x1b\\', 'text'],
  ['OSC without an end takes its line only', 'a\x1b]0;x\nb', 'a\nb'],
  ['DCS, APC, PM, SOS', 'a\x1bPq#0\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e', 'abcde'],
  ['8-bit forms', 'a\x9b31mb\x9d0;t\x9cc\x90q\x9cd', 'abcd'],
  ['character sets, keypad, reset', '\x1b(B\x1b)0\x1b=\x1b>\x1b#8x\x1bcy', 'x\ny'],
  ['sequences that were cut off', 'a\x1b[31;4', 'a'],
  ['an escape at the end', 'a\x1b', 'a'],
  ['NUL, BEL, SO, SI, DEL', 'a\0b\x07c\x0ed\x0fe\x7ff', 'abcdef'],
  ['bidirectional overrides and isolates', 'a\u202eb\u2066c\u2069d\u200fe', 'abcde'],
  ['zero width, tags, byte order mark', 'a\u200bb\ufeffc\u{e0041}d', 'abcd'],
  ['other line ends', 'a\u2028b\x85c\x0bd', 'a\nb\nc\nd'],
  ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ['what is text stays', 'röd ☃ 👩‍👩‍👧 العربية\tx', 'röd ☃ 👩‍👩‍👧 العربية\tx'],
] as const) {
  test(`plain text: ${what}`, () => assert.deepEqual(plainLines(raw), shown.split('\n')));
}

test('bytes that are not UTF-8, and an end that begins within a sequence or a character', async () => {
  assert.deepEqual(await lastLines(Readable.from([Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a])]), 1), [
    'a\ufffd\ufffdb',
  ]);
  const long = Buffer.concat([
    Buffer.from(`\x1b[32766;32766H${'é'.repeat(50_000)}\n`),
    Buffer.from('\x1b[31mlast\x1b[0m\r\n'),
  ]);
  for (let cut = 0; cut < 12; cut++) {
    assert.deepEqual(await lastLines(Readable.from([long.subarray(cut)]), 1), ['last']);
  }
  const one = await lastLines(Readable.from([Buffer.from('x'.repeat(200_000))]), 3);
  assert.equal(one.length, 1);
  assert.ok(one[0]!.length <= 300);
});

test('a quotation is one line of bounded length, cut between characters', () => {
  assert.equal(quoted('one\n\ntwo \x1b[1m words\r\nthree\nfour'), 'two words / three / four');
  assert.equal(quoted('one\ntwo\nthree', 2), 'one / two');
  assert.equal(quoted('\x1b[2J\r\n'), '');
  assert.equal(clip('ab👩c', 4), 'ab…');
  assert.ok(quoted('👩'.repeat(1_000)).isWellFormed());
  assert.ok(quoted('x'.repeat(10_000_000), 3).length <= 400);
  assert.deepEqual(lastPlainLines('  a\n\n  b  ', 5), ['a', 'b']);
});

test('no error contains the raw output of a guest or a program', () => {
  const raw = '\x1b[32766;32766H\x1b[?7l[\x1b[0;31mFAILED\x1b[0m] \u202eevil\x1b]0;t\x07\x9b1m\0\r\n';
  const errors = [
    bootFailed('a', 'w', notUpInTime(60, raw, raw), raw),
    guestDied('a', 'powered off', raw),
    imageNotBooted('a', 'w', raw, raw),
    imageScriptFailed('a', 's', 'ended with exit code 2', raw),
    workFailed('Image a', 'w', raw),
    virshFailed('w', 'the list', raw),
    rulesFailed('w', raw),
    scriptNotStarted('a', undefined, raw),
    commandFailed('g', 'version', raw),
    new CiError({ code: 'x', blame: 'controller', message: `Some text: ${raw}` }),
  ];
  for (const { message } of errors) {
    assert.match(message, /FAILED/);
    assertPlain(message);
  }
});
