import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { render } from '../../lib/template/render.ts';

const hostile = `a"b'c<d>&e\n- f: {g} $(h) \`i\``;

test('text leaves values unchanged', () => {
  assert.equal(
    render('text', 'Build {{status}}: {{what}}', { status: 'failed', what: hostile }),
    `Build failed: ${hostile}`,
  );
});

test('a value in YAML stays one string', () => {
  assert.deepEqual(parse(render('yaml', 'name: {{what}}\nother: 1', { what: hostile })), { name: hostile, other: 1 });
});

test('a value in XML cannot open a tag', () => {
  assert.equal(render('xml', '<name>{{what}}</name>', { what: '</name>\u0000"' }), '<name>&lt;/name&gt;&quot;</name>');
});

test('a value for a shell is one word', () => {
  assert.equal(render('shell', 'echo {{what}}', { what: `a'b; rm` }), `echo 'a'\\''b; rm'`);
});

test('unescaped tags are refused except in text, also inside sections', () => {
  for (const template of ['{{{a}}}', '{{&a}}', '{{#list}}{{{a}}}{{/list}}']) {
    assert.throws(
      () => render('yaml', template, { a: 1 }),
      (e: CiError) => e.code === 'template/unescaped',
    );
    assert.equal(render('text', template, { a: 1, list: [1] }), '1');
  }
});

test('a template that does not parse is an error', () => {
  assert.throws(
    () => render('text', '{{#open}} never closed', {}),
    (e: CiError) => e.code === 'template/syntax' && e.message.includes('{{'),
  );
});
