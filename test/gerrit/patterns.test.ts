import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePatterns } from '../../lib/gerrit/patterns.ts';

test('exact matches only the same name', () => {
  const fits = compilePatterns([{ match: 'exact', pattern: 'openstack/nova.*' }]);
  assert.equal(fits('openstack/nova.*'), true);
  assert.equal(fits('openstack/nova'), false);
  assert.equal(fits('openstack/nova.x'), false);
});

test('glob: * matches any characters and ? one, nothing else is special', () => {
  const fits = compilePatterns([{ match: 'glob', pattern: 'openstack/*-tempest?[x](.)' }]);
  assert.equal(fits('openstack/a/b-tempest1[x](.)'), true);
  assert.equal(fits('openstack/a-tempest[x](.)'), false);
  assert.equal(fits('openstack/a-tempest1x(a)'), false);
  assert.equal(compilePatterns([{ match: 'glob', pattern: '*' }])('any/thing at all'), true);
});

test('an expression must match the whole name', () => {
  const fits = compilePatterns([{ match: 'regex', pattern: 'stable/.*|master' }]);
  assert.equal(fits('stable/x'), true);
  assert.equal(fits('master'), true);
  assert.equal(fits('master2'), false);
  assert.equal(fits('old-stable/x'), false);
});

test('any row is enough, without rows nothing matches, and undefined never does', () => {
  const fits = compilePatterns([
    { match: 'exact', pattern: 'a' },
    { match: 'glob', pattern: '*' },
  ]);
  assert.equal(fits('b'), true);
  assert.equal(fits(undefined), false);
  assert.equal(compilePatterns([])('a'), false);
});

test('a row that cannot be parsed is named', () => {
  const rows = [
    { match: 'exact' as const, pattern: 'a' },
    { match: 'regex' as const, pattern: '(open' },
  ];
  assert.throws(() => compilePatterns(rows), { code: 'gerrit/pattern', message: /Row 2 .*"\(open"/ });
  assert.throws(() => compilePatterns([{ match: 'glob', pattern: '' }]), { message: /Row 1 .* empty/ });
});

test('a glob with many stars is fast on a long name', () => {
  const fits = compilePatterns([{ match: 'glob', pattern: '*a**b***' }]);
  const start = Date.now();
  assert.equal(fits('a'.repeat(20_000)), false);
  assert.ok(Date.now() - start < 60_000);
});
