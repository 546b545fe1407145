import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf } from '../../lib/builds/services.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';

test('the controller id depends on the key, not on its comment', () => {
  const { publicKey } = generateKeyPair('one');
  const [type, key] = publicKey.split(' ');
  const id = controllerOf(publicKey);
  assert.match(id, /^[0-9a-f]{12}$/);
  assert.equal(controllerOf(`${type} ${key}`), id);
  assert.equal(controllerOf(`${type} ${key} other comment\n`), id);
  assert.notEqual(controllerOf(generateKeyPair('one').publicKey), id);
});
