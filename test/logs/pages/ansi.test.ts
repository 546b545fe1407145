import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnsiHtml } from '../../../lib/logs/pages/ansi.ts';

const show = (...lines: string[]): string => {
  const ansi = new AnsiHtml();
  return lines.map((line) => ansi.line(line)).join('\n');
};

test('palettes of 8, 16, 256 and 16 million colors', () => {
  assert.equal(show('\x1b[31mred\x1b[0m plain'), '<span class="f1">red</span> plain');
  assert.equal(show('\x1b[1;92;44mx\x1b[m'), '<span class="f10 b4 on bold">x</span>');
  assert.equal(show('\x1b[38;5;9mx'), '<span class="f9">x</span>');
  assert.equal(show('\x1b[38;5;208mx'), '<span style="color:#ff8700">x</span>');
  assert.equal(show('\x1b[48;5;244mx'), '<span class="on" style="background:#808080;color:#fff">x</span>');
  assert.equal(show('\x1b[38;2;1;2;300;4mx'), '<span class="underline" style="color:#0102ff">x</span>');
  assert.equal(show('\x1b[7mx\x1b[27my'), '<span class="f-bg b-fg">x</span>y');
});

test('colors last beyond the end of a line until they are reset', () => {
  assert.equal(
    show('\x1b[32mone', 'two\x1b[39mthree'),
    '<span class="f2">one</span>\n<span class="f2">two</span>three',
  );
});

test('markup and unusual sequences become plain text', () => {
  assert.equal(show('<script>alert("1")</script>&'), '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;');
  assert.equal(show('\x1b[38;2;"><img>mx'), show('\x1b[38;2;"><img>mx').replace(/<(?!\/?span)/g, ''));
  assert.equal(show('a\x1b[2K\x1b[1Ab\x1b]0;title\x07c\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\\x07\x00d'), 'abclinkd');
  assert.equal(show('\x1b[999;;;38;5m\x1b[mx'), 'x');
});

test('a progress bar shows its last state, in its last color', () => {
  assert.equal(show('  1%\r 50%\r100% done\r'), '100% done');
  assert.equal(show('\x1b[31m  1%\r\x1b[32m100%\x1b[0m\r'), '<span class="f2">100%</span>');
  assert.equal(show('100% done\r\r'), '100% done');
  assert.equal(show('\x1b[32m  OK  \x1b[0m\r\r'), '<span class="f2">  OK  </span>');
});

test('characters that reorder or hide text are removed', () => {
  assert.equal(show('a\u202eb\u2066c\ufeffd\x9b31me'), 'abcde');
});
