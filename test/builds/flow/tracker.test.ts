import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageTracker } from '../../../lib/builds/flow/tracker.ts';
import { FlowGraph } from '../../../lib/builds/flow-graph.ts';

const instance = { alive: () => true };
const to = (node: string, type = 'function') => ({ node, type, instance });
const all = () => true;

test('a foreign node consumes what it received; the sender and our last node remain known', () => {
  const tracker = new MessageTracker();
  tracker.noteSent('exec', true, [to('set')]);
  assert.equal(tracker.senderTo('set'), 'exec');
  tracker.noteSent('set', false, [to('publish', 'publish-logs')]);
  assert.deepEqual([tracker.senderTo('publish'), tracker.origin], ['set', 'exec']);
  assert.equal(
    tracker.hasAny((node) => node === 'set'),
    false,
  );
  tracker.noteConsumed('publish');
  assert.equal(tracker.hasAny(all), false);
});

test('a link out forwards its message to the link in without sending it', () => {
  const graph = new FlowGraph([
    { id: 'out', type: 'link out', mode: 'link', links: ['in'] },
    { id: 'other', type: 'link out', mode: 'link', links: ['elsewhere'] },
    { id: 'in', type: 'link in', links: ['out'] },
    { id: 'call', type: 'link call', links: ['in'] },
    { id: 'back', type: 'link out', mode: 'return' },
  ]);
  assert.deepEqual(
    [graph.forwardsTo('out', 'in'), graph.forwardsTo('other', 'in'), graph.forwardsTo('call', 'in')],
    [true, false, false],
  );
  assert.deepEqual([graph.forwardsTo('back', 'call'), graph.forwardsTo('back', 'in')], [true, false]);
  const tracker = new MessageTracker();
  tracker.noteSent('exec', true, [to('out', 'link out'), to('other', 'link out')]);
  tracker.noteSent('another', true, []);
  tracker.noteSent('in', false, [to('next')], (node) => graph.forwardsTo(node, 'in'));
  assert.equal(tracker.origin, 'exec', 'unaffected by other messages that moved meanwhile');
  assert.deepEqual(
    ['out', 'other', 'next'].map((name) => tracker.hasAny((node) => node === name)),
    [false, true, true],
  );
});

test('after a deploy a held message is sent to the new instance of its node; one without a copy is dropped', () => {
  const closed = { alive: () => false };
  const message = { payload: 1 };
  const tracker = new MessageTracker();
  tracker.noteSent('exec', true, [
    { node: 'delay', type: 'delay', instance: closed, message },
    { node: 'switch', type: 'switch', instance: closed },
    { node: 'deleted', type: 'delay', instance: closed, message },
    { node: 'running', type: 'delay', instance, message },
  ]);
  const revived = tracker.revive((node) => (node === 'deleted' ? undefined : instance));
  assert.deepEqual(revived, [{ node: 'delay', message }]);
  assert.deepEqual(
    ['delay', 'switch', 'deleted', 'running'].map((name) => tracker.hasAny((node) => node === name)),
    [true, false, false, true],
  );
  assert.deepEqual(
    tracker.revive(() => instance),
    [],
    'only once',
  );
});
