/** Runs a real Node-RED in the test's process, with this package installed in a user directory of its own. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import RED from 'node-red';
import type { BuildEvent } from '../../lib/builds/types.ts';
import type { SandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { waitFor } from './wait.ts';

export type FlowConfig = Record<string, unknown> & { id: string; type: string };
type Runtime = typeof import('../../nodes/shared/runtime.ts');

const root = join(import.meta.dirname, '..', '..');

export interface TestRed {
  userDir: string;
  url: string;
  /** Returns the package's runtime object, the one of its compiled nodes. */
  runtime(): ReturnType<Runtime['runtimeOf']>;
  /** Deploys flows and waits until they have started. */
  deploy(nodes: FlowConfig[], type?: 'full' | 'nodes' | 'flows'): Promise<void>;
  /** Hands a message to a node, as if it came over a wire. */
  send(id: string, message: object): void;
  /** Returns the last status text of a node. */
  status(id: string): string;
  statuses: { id: string; text: string; fill?: string; shape?: string }[];
  /** Returns the messages that a debug node received. */
  received(id: string): Record<string, unknown>[];
  events: BuildEvent[];
  logs: { level: number; msg: string; id?: string }[];
  event<K extends BuildEvent['kind']>(
    kind: K,
    fits?: (event: BuildEvent & { kind: K }) => boolean,
    limit?: number,
  ): Promise<BuildEvent & { kind: K }>;
  /** Waits for the sandbox Gerrit that a later deploy starts. */
  sandbox(): Promise<SandboxGerrit>;
  close(): Promise<void>;
}

/** Starts Node-RED; once per process. `settings` override the defaults. */
export async function startRed(
  settings: Record<string, unknown> = {},
  prepare: (userDir: string) => void = () => {},
): Promise<TestRed> {
  const userDir = mkdtempSync(join(tmpdir(), 'recheck-red-'));
  prepare(userDir);
  mkdirSync(join(userDir, 'node_modules', '@recheck'), { recursive: true });
  symlinkSync(root, join(userDir, 'node_modules', '@recheck', 'node-red-gerrit-ci'));
  const app = express();
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const logs: TestRed['logs'] = [];
  RED.init(server, {
    userDir,
    uiHost: '127.0.0.1',
    uiPort: port,
    httpAdminRoot: '/',
    httpNodeRoot: '/',
    flowFile: 'flows.json',
    credentialSecret: 'test',
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false },
    logging: {
      test: {
        level: 'info',
        handler: () => (entry: { level: number; msg: unknown; id?: string }) =>
          logs.push({ level: entry.level, msg: String(entry.msg), ...(entry.id ? { id: entry.id } : {}) }),
      },
    },
    ...settings,
  } as never);
  app.use('/', RED.httpAdmin);
  if (settings['httpNodeRoot'] !== false) app.use(String(settings['httpNodeRoot'] ?? '/'), RED.httpNode);
  const statuses: TestRed['statuses'] = [];
  const events: BuildEvent[] = [];
  const debugs: { id: string; msg: Record<string, unknown> }[] = [];
  RED.events.on('node-status', ({ id, status }: { id: string; status?: Omit<TestRed['statuses'][number], 'id'> }) => {
    // A node that is closed has its status cleared.
    if (status?.text !== undefined) statuses.push({ ...status, id });
  });
  RED.events.on('recheck:event', (event: BuildEvent) => events.push(event));
  // The empty flows of a new user directory start too, which must not be taken for the first deploy.
  const empty = new Promise<void>((resolve) => RED.events.once('flows:started', () => resolve()));
  await RED.start();
  await empty;
  // Debug nodes truncate messages for the sidebar, so they are recorded as delivered.
  RED.hooks.add(
    'postDeliver.test',
    (event: { msg: Record<string, unknown>; destination: { node: { id: string; type: string } } }) => {
      const { node } = event.destination;
      if (node.type === 'debug') debugs.push({ id: node.id, msg: structuredClone(event.msg) });
    },
  );
  const { runtimeOf } = (await import(join(root, 'dist/nodes/shared/runtime.js'))) as Runtime;
  return {
    userDir,
    url: `http://127.0.0.1:${port}`,
    runtime: () => runtimeOf({ settings: { userDir } } as never),
    async deploy(nodes, type = 'full') {
      const started = new Promise<void>((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error(`the flows did not start: ${logs.at(-1)?.msg}`)), 20_000);
        RED.events.once('flows:started', () => {
          clearTimeout(limit);
          resolve();
        });
      });
      const { flows } = RED.runtime as unknown as { flows: { setFlows(o: object): Promise<unknown> } };
      await flows.setFlows({ flows: { flows: structuredClone(nodes) }, deploymentType: type });
      await started;
    },
    send(id, message) {
      const { getNode } = RED.nodes as unknown as { getNode(id: string): { receive(message: object): void } | null };
      const node = getNode(id);
      if (!node) throw new Error(`no node ${id} is deployed`);
      node.receive(structuredClone(message));
    },
    status: (id) => statuses.findLast((each) => each.id === id)?.text ?? '',
    statuses,
    received: (id) => debugs.filter((each) => each.id === id).map((each) => each.msg),
    events,
    logs,
    event: (kind, fits = () => true, limit = 60_000) =>
      waitFor(
        `event ${kind}`,
        () => events.find((event): event is never => event.kind === kind && fits(event as never)),
        limit,
      ) as never,
    sandbox: () => new Promise((resolve) => RED.events.once('recheck:sandbox', resolve)),
    async close() {
      await RED.stop();
      await runtimeOf({ settings: { userDir } } as never).close();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      rmSync(userDir, { recursive: true, force: true });
    },
  };
}
