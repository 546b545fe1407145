import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowGraph, type FlowNode } from '../../lib/builds/flow-graph.ts';

const n = (id: string, type: string, wires: string[][], more: Partial<FlowNode> = {}): FlowNode => ({
  id,
  type,
  wires,
  z: 'tab',
  ...more,
});
const tab: FlowNode = { id: 'tab', type: 'tab' };
const keys = (graph: FlowGraph, from: string, port?: number) => graph.reachableFrom(from, port).map((node) => node.key);

test('follows a lane, nearest node first, from one output or from all', () => {
  const graph = new FlowGraph([
    tab,
    n('jobs', 'ci-jobs', [['a'], ['b']]),
    n('a', 'ssh-exec', [['p'], []]),
    n('b', 'ssh-exec', [['p'], []]),
    n('p', 'publish-logs', [['r']]),
    n('r', 'gerrit-review', [[]]),
  ]);
  assert.deepEqual(keys(graph, 'jobs', 1), ['b', 'p', 'r']);
  assert.deepEqual(keys(graph, 'jobs'), ['a', 'b', 'p', 'r']);
});

test('a loop of wires ends the search', () => {
  const graph = new FlowGraph([tab, n('a', 'function', [['b']]), n('b', 'function', [['a']])]);
  assert.deepEqual(keys(graph, 'a'), ['b', 'a']);
});

test('follows links, also to another tab, and continues after a link call', () => {
  const graph = new FlowGraph([
    tab,
    { id: 'tab2', type: 'tab' },
    n('a', 'link out', [], { mode: 'link', links: ['in'] }),
    n('in', 'link in', [['p']], { z: 'tab2' }),
    n('p', 'publish-logs', [[]], { z: 'tab2' }),
    n('call', 'link call', [['after']], { links: ['in2'] }),
    n('in2', 'link in', [['step']]),
    n('step', 'ssh-exec', [['back']]),
    n('back', 'link out', [], { mode: 'return' }),
    n('after', 'publish-logs', [[]]),
  ]);
  assert.deepEqual(keys(graph, 'a'), ['in', 'p']);
  assert.deepEqual(keys(graph, 'call').sort(), ['after', 'back', 'in2', 'step']);
});

test('follows wires into, out of and through nested subflows', () => {
  const graph = new FlowGraph([
    tab,
    {
      id: 'outer',
      type: 'subflow',
      in: [{ wires: [{ id: 'inner1' }] }],
      out: [{ wires: [{ id: 'inner1', port: 0 }] }],
    },
    { id: 'inner', type: 'subflow', in: [{ wires: [{ id: 'step' }] }], out: [{ wires: [{ id: 'step', port: 0 }] }] },
    n('inner1', 'subflow:inner', [[]], { z: 'outer' }),
    n('step', 'ssh-exec', [[], []], { z: 'inner' }),
    n('jobs', 'ci-jobs', [['use']]),
    n('use', 'subflow:outer', [['p']]),
    n('p', 'publish-logs', [[]]),
  ]);
  assert.deepEqual(keys(graph, 'jobs'), ['use/inner1/step', 'p']);
  assert.deepEqual(keys(graph, 'use/inner1/step', 0), ['p']);
  assert.deepEqual(keys(graph, 'use/inner1/step', 1), []);
});

test('follows a wire straight through a subflow', () => {
  const graph = new FlowGraph([
    tab,
    { id: 's', type: 'subflow', in: [{ wires: [] }], out: [{ wires: [{ id: 's', port: 0 }] }] },
    n('a', 'function', [['i']]),
    n('i', 'subflow:s', [['p']]),
    n('p', 'publish-logs', [[]]),
  ]);
  assert.deepEqual(keys(graph, 'a'), ['p']);
});

test('skips disabled nodes and tabs', () => {
  const graph = new FlowGraph([
    tab,
    { id: 'off', type: 'tab', disabled: true },
    n('a', 'function', [['b', 'c', 'd']]),
    n('b', 'publish-logs', [[]], { d: true }),
    n('c', 'publish-logs', [[]], { z: 'off' }),
    n('d', 'gerrit-review', [[]]),
  ]);
  assert.deepEqual(keys(graph, 'a'), ['d']);
  assert.equal(graph.has('b'), false);
});
