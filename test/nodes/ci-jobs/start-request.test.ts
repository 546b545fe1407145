import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { type CiJobsConfig, startRequest } from '../../../nodes/ci-jobs/start-request.ts';
import type { ServerEntry } from '../../../nodes/shared/config-nodes.ts';

const config = { jobs: [{ name: 'unit', voting: true }], lanes: [] } as unknown as CiJobsConfig;
const servers = (...ids: string[]) => new Map(ids.map((id) => [id, { id, ciName: 'my-ci' } as ServerEntry]));
const change = { project: 'demo', number: 1 };
const trigger = { type: 'patchset', key: 'ps', reason: 'patchset 1 was uploaded' };

/** Returns the id of the server to which a message's builds belong. */
function serverOf(message: object, known: Map<string, ServerEntry>): string {
  const request = startRequest(config, 'jobs', { change, patchset: 1, ...message } as never, known);
  assert.ok(!(request instanceof CiError));
  return request.change.server;
}

test('a manual change belongs to the only server if it names an unknown one, as in a copied flow', () => {
  assert.equal(serverOf({}, servers('a')), 'a');
  assert.equal(serverOf({ change: { ...change, server: 'before the copy' } }, servers('a')), 'a');
  assert.equal(serverOf({ change: { ...change, server: 'b' } }, servers('a', 'b')), 'b');
  assert.equal(serverOf({}, servers('a', 'b')), '');
});

test('an event keeps its server even if that is not deployed', () => {
  assert.equal(serverOf({ change: { ...change, server: 'gone' }, trigger }, servers('a')), 'gone');
});
