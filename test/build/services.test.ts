import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf } from '../../lib/build/services.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';

test('a controller is known by its key, whatever comment that has', () => {
  const { publicKey } = generateKeyPair('one');
  const [type, key] = publicKey.split(' ');
  const id = controllerOf(publicKey);
  assert.match(id, /^[0-9a-f]{12}$/);
  assert.equal(controllerOf(`${type} ${key}`), id);
  assert.equal(controllerOf(`${type} ${key} other comment\n`), id);
  assert.notEqual(controllerOf(generateKeyPair('one').publicKey), id);
});
