/** The two editor halves of each node type, the literals of its editor.html and its part of the bundle, fit each other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { registrations } from '../support/registrations.ts';

const bundle = join(import.meta.dirname, '..', '..', 'resources', 'editor.js');

type Validators = Record<string, (value: unknown, options: object) => unknown>;

/** What the bundle offers, by node type. */
function bundled(): Record<string, { validate: Validators }> {
  const window: { Recheck?: Record<string, { validate: Validators }> } = {};
  runInNewContext(readFileSync(bundle, 'utf8'), { window, RED: { events: { on() {} } } });
  return window.Recheck ?? {};
}

test('each node type has an editor half in the bundle, with a validator for each setting that asks for one', () => {
  const types = registrations();
  const halves = bundled();
  assert.deepEqual(Object.keys(halves).sort(), [...types.keys()].sort());
  for (const [type, { defaults, credentials = {} }] of types) {
    const asked = Object.entries({ ...defaults, ...credentials }).filter(([, { validate }]) => validate !== undefined);
    for (const [property, { validate }] of asked) assert.equal(validate, property, `${property} of ${type}`);
    const { validate } = halves[type]!;
    assert.deepEqual(asked.map(([property]) => property).sort(), Object.keys(validate).sort(), `validators of ${type}`);
    // Node-RED takes reasons in words only from a validator with two parameters.
    for (const [property, check] of Object.entries(validate)) assert.equal(check.length, 2, `${property} of ${type}`);
  }
});
