/** The two editor parts of each node type, its editor.html and its part of the bundle, match. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { registrations } from '../support/registrations.ts';

const bundle = join(import.meta.dirname, '..', '..', 'resources', 'editor.js');

type Validators = Record<string, (value: unknown, options: object) => unknown>;

/** Returns what the bundle exports, by node type. */
function bundled(): Record<string, { validate: Validators }> {
  const window: { Recheck?: Record<string, { validate: Validators }> } = {};
  runInNewContext(readFileSync(bundle, 'utf8'), { window, RED: { events: { on() {} } } });
  return window.Recheck ?? {};
}

test('the bundle has each node type, with a validator for each setting that names one', () => {
  const types = registrations();
  const bundles = bundled();
  assert.deepEqual(Object.keys(bundles).sort(), [...types.keys()].sort());
  for (const [type, { defaults, credentials = {} }] of types) {
    const named = Object.entries({ ...defaults, ...credentials }).filter(([, { validate }]) => validate !== undefined);
    for (const [property, { validate }] of named) assert.equal(validate, property, `${property} of ${type}`);
    const { validate } = bundles[type]!;
    assert.deepEqual(named.map(([property]) => property).sort(), Object.keys(validate).sort(), `validators of ${type}`);
    // Node-RED shows a validator's reason only if the validator has two parameters.
    for (const [property, check] of Object.entries(validate)) assert.equal(check.length, 2, `${property} of ${type}`);
  }
});
