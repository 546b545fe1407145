import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromElsewhere } from '../../../nodes/shared/same-origin.ts';

const host = '127.0.0.1:1880';

test('requests of the editor and of programs are allowed', () => {
  assert.equal(fromElsewhere({ host }), false);
  assert.equal(fromElsewhere({ host, 'sec-fetch-site': 'same-origin', origin: `http://${host}` }), false);
  assert.equal(fromElsewhere({ host: 'ci.lan:1880', origin: 'http://ci.lan:1880' }), false);
  assert.equal(fromElsewhere({ host: 'inside', 'x-forwarded-host': 'ci.lan', origin: 'https://ci.lan' }), false);
  assert.equal(fromElsewhere({ host, 'sec-fetch-site': 'cross-site', authorization: 'Bearer t' }), false);
});

test('requests of other sites’ pages are refused', () => {
  assert.equal(fromElsewhere({ host, 'sec-fetch-site': 'cross-site' }), true);
  assert.equal(fromElsewhere({ host, 'sec-fetch-site': 'same-site' }), true);
  assert.equal(fromElsewhere({ host: 'ci.lan:1880', origin: 'http://evil.example' }), true);
  assert.equal(fromElsewhere({ host: 'ci.lan:1880', origin: 'null' }), true);
});
