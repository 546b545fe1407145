/** Starts builds by hand in a real Node-RED, and reads what an operator would see of them. */
import assert from 'node:assert/strict';
import type { BuildEvent, Message } from '../../lib/builds/types.ts';
import type { BuildView } from '../../lib/model/build.ts';
import type { TestRed } from './red.ts';
import { waitFor } from './wait.ts';

/** Returns the messages of the errors that the Catch node of `flow` received. */
export const faults = (red: TestRed): string[] =>
  red.received('caught').map(({ error }) => (error as { message: string }).message);

/** Sets an environment variable of Node-RED, and returns the setting that refers to it. */
export function variable(name: string, value: string): string {
  process.env[name] = value;
  return `\${${name}}`;
}

let number = 1000;

/** Returns a message that starts builds for a change that no other message has. */
export function handMade(more: Record<string, unknown> = {}, message: Record<string, unknown> = {}): Message {
  number += 1;
  return { change: { project: 'demo', branch: 'master', number, ...more } as never, patchset: 1, ...message };
}

/** A build that has ended. */
export type Ended = BuildEvent & { kind: 'build-ended'; build: BuildView };

/** Starts a build by hand and waits until it has ended. `limit` is in milliseconds. */
export async function run(red: TestRed, message: Message = handMade(), limit = 60_000): Promise<Ended> {
  const { number: change, patchset = message['patchset'] } = message.change as unknown as Record<string, unknown>;
  const label = `${change},${patchset}`;
  const before = red.events.length;
  red.send('ci-jobs1', message);
  const ended = await waitFor(
    `build ${label} ends (status: ${red.status('ci-jobs1')})`,
    () => red.events.slice(before).find((event) => event.kind === 'build-ended' && event.label === label),
    limit,
  );
  return ended as Ended;
}

/** Fetches a file of the build's logs over HTTP and returns its text. */
export async function logOf({ build }: Ended, file = 'console.log'): Promise<string> {
  const answer = await fetch(new URL(file, build.logUrl));
  assert.equal(answer.status, 200, `${file} of ${build.logUrl}`);
  return answer.text();
}

/** Sends a request to one of Recheck's admin routes and returns the answer. */
export async function ask(red: TestRed, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${red.url}/recheck/${path}`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  assert.equal(answer.status, 200, `${method} ${path}`);
  return (await answer.json()) as Record<string, unknown>;
}

/** Checks that each status so far is a finished text: no locale key, no unfilled placeholder, no `undefined`. */
export function assertStatusTexts(red: TestRed): void {
  assert.ok(red.statuses.length > 0, 'there were statuses');
  for (const { id, text } of red.statuses) {
    assert.doesNotMatch(text, /(^|[\s.])(status|button|hint)\.\w|__\w+__|undefined|NaN|\[object/, `status of ${id}`);
  }
}
