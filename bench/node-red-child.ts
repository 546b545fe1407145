/**
 * Runs a real Node-RED in a process of its own to be measured, with this package installed (`recheck`) or without
 * (`bare`). Takes commands by IPC and answers each. Needs --expose-gc.
 */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import RED from 'node-red';
import type { ChildAnswer, ChildCommand } from './node-red.ts';

const [kind, userDir] = process.argv.slice(2) as ['bare' | 'recheck', string];
const root = join(import.meta.dirname, '..');

/** Last status text of each node. */
const statuses = new Map<string, string>();

/** Counts finished messages, and resolves once there are as many as awaited. */
const ended = {
  count: 0,
  wanted: Number.POSITIVE_INFINITY,
  wake() {},
  one() {
    ended.count += 1;
    if (ended.count >= ended.wanted) ended.wake();
  },
};

interface Runtime {
  flows: { setFlows(o: object): Promise<unknown> };
}
interface Nodes {
  getNode(id: string): { receive(message: object): void } | null;
}

async function start(): Promise<void> {
  mkdirSync(join(userDir, 'node_modules', '@recheck'), { recursive: true });
  if (kind === 'recheck') symlinkSync(root, join(userDir, 'node_modules', '@recheck', 'node-red-gerrit-ci'));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  RED.init(server, {
    userDir,
    uiHost: '127.0.0.1',
    flowFile: 'flows.json',
    credentialSecret: 'bench',
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false },
    logging: { console: { level: 'warn', metrics: false, audit: false } },
    functionGlobalContext: { passed: () => ended.one() },
  } as never);
  await RED.start();
  RED.events.on('node-status', ({ id, status }: { id: string; status?: { text?: string } }) => {
    if (status?.text !== undefined) statuses.set(id, status.text);
  });
  RED.events.on('recheck:event', (event: { kind: string }) => {
    if (event.kind === 'report') ended.one();
  });
}

async function deploy(nodes: object[]): Promise<void> {
  const started = new Promise<void>((resolve) => RED.events.once('flows:started', () => resolve()));
  await (RED.runtime as unknown as Runtime).flows.setFlows({ flows: { flows: nodes }, deploymentType: 'full' });
  await started;
}

/** Sends all messages of a file (one per line) to a node at once, and waits until all are finished. */
async function pass(file: string, to: string, limit: number): Promise<ChildAnswer> {
  const messages = readFileSync(file, 'utf8').trimEnd().split('\n');
  const node = (RED.nodes as unknown as Nodes).getNode(to);
  if (!node) throw new Error(`no node ${to}`);
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  ended.wanted = ended.count + messages.length;
  ended.wake = resolve;
  const late = setTimeout(() => reject(new Error(`${ended.wanted - ended.count} messages are missing`)), limit);
  const began = performance.now();
  const cpu = process.cpuUsage();
  for (const message of messages) node.receive(JSON.parse(message));
  await done;
  clearTimeout(late);
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - began, cpu: (user + system) / 1000 };
}

/**
 * Returns resident bytes after garbage collection, the smallest of a few samples. Only a last-resort collection returns
 * the pages that V8 keeps for the next burst, which builds do not hold.
 */
async function memory(): Promise<{ rss: number; heap: number }> {
  let rss = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 4; look++) {
    globalThis.gc!({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await sleep(150);
    rss = Math.min(rss, process.memoryUsage.rss());
  }
  return { rss, heap: process.memoryUsage().heapUsed };
}

async function answer(command: ChildCommand): Promise<ChildAnswer> {
  switch (command.do) {
    case 'deploy':
      await deploy(command.nodes);
      return {};
    case 'pass':
      return await pass(command.file, command.to, command.limit);
    case 'status':
      return { text: statuses.get(command.id) ?? '' };
    case 'memory':
      return await memory();
    case 'stop':
      await RED.stop();
      return {};
  }
}

process.on('message', (command: ChildCommand) => {
  answer(command)
    .catch((error: unknown) => ({ error: String(error) }))
    .then((reply) => {
      process.send?.(reply, () => {
        if (command.do === 'stop') process.exit();
      });
    });
});
process.on('disconnect', () => process.exit());
await start();
process.send?.({});
