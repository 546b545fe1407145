import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { Sessions } from '../../../lib/ssh/session/sessions.ts';
import { waitFor } from '../../support/wait.ts';

/** A server that accepts one session at a time, with the requests that it has not answered yet. */
function oneAtATime() {
  let busy = false;
  const held: (() => void)[] = [];
  return {
    end: [] as (() => void)[],
    /** Whether requests are answered only on demand. */
    slow: false,
    held,
    ask(name: string, signal?: AbortSignal) {
      return async () => {
        if (busy)
          throw new CiError({
            code: 'ssh/channel-refused',
            blame: 'worker',
            sshRefusal: 'session',
            message: 'no more sessions',
          });
        if (this.slow) {
          await new Promise<void>((resolve) => held.push(resolve));
          signal?.throwIfAborted();
        }
        busy = true;
        return {
          session: name,
          onClose: (closed: () => void) =>
            this.end.push(() => {
              busy = false;
              closed();
            }),
        };
      };
    },
  };
}

test('a caller that gives up while its session is being opened passes its turn on', async () => {
  const sessions = new Sessions();
  const server = oneAtATime();
  const open = (name: string, signal?: AbortSignal) => sessions.open(server.ask(name, signal), signal);
  assert.equal(await open('first'), 'first');
  const leaving = new AbortController();
  const second = open('second', leaving.signal);
  const third = open('third');
  await new Promise(setImmediate);
  server.slow = true;
  server.end[0]!();
  await waitFor('the second asks', () => server.held.length === 1, 60_000);
  server.slow = false;
  leaving.abort(new Error('left'));
  server.held[0]!();
  await assert.rejects(second, /left/);
  const began = performance.now();
  assert.equal(await third, 'third');
  assert.ok(performance.now() - began < 60_000);
});
