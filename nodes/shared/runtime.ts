import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Node, NodeAPI } from 'node-red';
import { controllerOf, type Services } from '../../lib/builds/services.ts';
import { Supervisor } from '../../lib/builds/supervisor.ts';
import type { BuildEvent } from '../../lib/builds/types.ts';
import { StreamPool } from '../../lib/gerrit/stream.ts';
import { ImageBuilder } from '../../lib/images/builder.ts';
import { MetadataLinks } from '../../lib/metadata/links.ts';
import { MetadataRoutes } from '../../lib/metadata/routes.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { LinkPool } from '../../lib/ssh/link-pool.ts';
import { writeFileAtomicSync } from '../../lib/util/atomic-file.ts';
import type { ServerEntry } from './config-nodes.ts';
import { FlowAdapter, type Offer } from './flow-adapter.ts';
import { type Translate, translator } from './i18n.ts';
import { keepImages } from './image-keeper.ts';
import { nodeKey, Registry } from './keys.ts';
import { RecentTriggers } from './recent-triggers.ts';
import { logReport } from './report-status.ts';
import { Board } from './status-board.ts';

/** State of one concern of a node type that lives as long as the runtime. */
export interface RuntimeState<State> {
  make(runtime: Runtime): State;
}

/** What the nodes of one process share. */
export interface Runtime {
  /** Folder for pins, keys, logs and the sandbox. */
  stateDir: string;
  /** Base URL of the pages that this Node-RED serves for its nodes; undefined if that is off. */
  baseUrl: string | undefined;
  knownHosts: KnownHosts;
  pool: LinkPool;
  /** Milliseconds that a step waits for a connection to an ssh-host. */
  connectLimit: number;
  streams: StreamPool;
  registry: Registry<Offer>;
  board: Board;
  flow: FlowAdapter;
  supervisor: Supervisor;
  services: Services;
  metadataRoutes: MetadataRoutes;
  servers: Map<string, ServerEntry>;
  /** What gerrit-events nodes sent a moment ago, which a deploy may drop. */
  triggers: RecentTriggers;
  /** Returns a text of a node type. */
  t: Translate;
  /** Returns the state of a key, made at its first use. */
  of<State>(key: RuntimeState<State>): State;
  /** Ends everything, and forgets all state: the next node makes a new runtime. */
  close(): Promise<void>;
  /** Registers work to do at the end. */
  onClose(end: () => void | Promise<void>): void;
  /** Subscribes to all events of builds. @returns unsubscribes */
  onEvent(listener: (event: BuildEvent) => void): () => void;
}

/** How long a step waits for a connection: a machine that restarts is back within this. */
const CONNECT_TIMEOUT_MS = 60_000;

let runtime: Runtime | undefined;

/** Returns the runtime of the process, created with the first node. */
export function runtimeOf(RED: NodeAPI): Runtime {
  runtime ??= makeRuntime(RED);
  return runtime;
}

/** Registers a flow node of Recheck, so that it is found by its key and its status survives deploys. */
export function enter(RED: NodeAPI, node: Node, offer: Offer = {}): { runtime: Runtime; key: string } {
  const shared = runtimeOf(RED);
  const key = nodeKey(node);
  shared.registry.add(node, offer);
  shared.board.enter(key, node.type);
  return { runtime: shared, key };
}

function makeRuntime(RED: NodeAPI): Runtime {
  const settings = RED.settings as unknown as { userDir?: string };
  const stateDir = join(settings.userDir ?? process.cwd(), 'recheck');
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const knownHosts = new KnownHosts(join(stateDir, 'known-hosts.json'));
  const pool = new LinkPool({ knownHosts });
  const registry = new Registry<Offer>();
  const servers = new Map<string, ServerEntry>();
  const listeners = new Set<(event: BuildEvent) => void>();
  const t = translator(RED);
  const board = new Board((key, status) => {
    registry.get(key)?.node.status(status);
    return registry.get(key) !== undefined;
  }, t);
  const flow = new FlowAdapter(RED, registry, (event) => {
    board.take(event);
    if (event.kind === 'warning') registry.get(event.node)?.node.warn(event.message);
    if (event.kind === 'report') logReport(RED, t, registry.get(event.node)?.node, event);
    for (const listener of listeners) listener(event);
    RED.events.emit('recheck:event', event);
  });
  const supervisor = new Supervisor(flow, (id) => servers.get(id));
  const metadata = new MetadataService();
  const links = new MetadataLinks(metadata);
  const metadataRoutes = new MetadataRoutes();
  const key = controllerKey(stateDir);
  const controller = controllerOf(key.publicKey);
  const { scheduler, cleanupQueue } = supervisor;
  const images = new ImageBuilder({ metadata, links, key, controller, cleanupQueue }, join(stateDir, 'images'));
  const services: Services = { scheduler, metadata, links, images, cleanupQueue, key, controller };
  const keeper = keepImages(RED, images);
  const triggers = new RecentTriggers();
  const unfollow = flow.follow(
    (...move) => supervisor.messageSent(...move),
    () => {
      triggers.deploying();
      supervisor.deploying();
    },
    () => {
      supervisor.deployed();
      for (const { node, message } of triggers.deployed()) registry.get(node)?.node.send(message as never);
      keeper.changed();
    },
  );
  listeners.add(({ kind }) => {
    if (kind === 'build-ended') keeper.changed();
  });
  const streams = new StreamPool();
  const ends: (() => void | Promise<void>)[] = [];
  const states = new Map<RuntimeState<unknown>, unknown>();
  const made: Runtime = {
    t,
    stateDir,
    baseUrl: baseUrl(RED),
    knownHosts,
    pool,
    connectLimit: CONNECT_TIMEOUT_MS,
    streams,
    registry,
    board,
    flow,
    supervisor,
    services,
    metadataRoutes,
    servers,
    triggers,
    of<State>(key: RuntimeState<State>): State {
      if (!states.has(key)) states.set(key, key.make(made));
      return states.get(key) as State;
    },
    async close() {
      try {
        unfollow();
        board.stop();
        keeper.close();
        await Promise.all([supervisor.close(), images.close()]);
        await metadataRoutes.close();
        for (const end of ends.splice(0)) await end();
      } finally {
        // Whatever could not be ended: nothing of it is used again.
        streams.close();
        pool.close();
        registry.clear();
        for (const each of [states, servers, listeners]) each.clear();
        runtime = undefined;
      }
    },
    onClose(end) {
      ends.push(end);
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return made;
}

/** Returns the key pair for all guests, stored so that an old image still authorizes the controller. */
function controllerKey(stateDir: string): { privateKey: string; publicKey: string } {
  const file = join(stateDir, 'guest-key');
  try {
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
  } catch {
    const pair = generateKeyPair('recheck-controller');
    writeFileAtomicSync(file, pair.privateKey);
    writeFileAtomicSync(`${file}.pub`, `${pair.publicKey}\n`, { mode: 0o644 });
    return pair;
  }
}

function baseUrl(RED: NodeAPI): string | undefined {
  const { uiHost, uiPort, https, httpNodeRoot } = RED.settings as unknown as {
    uiHost?: string;
    uiPort?: number | string;
    https?: unknown;
    httpNodeRoot?: string | false;
  };
  if (httpNodeRoot === false) return undefined;
  const host = !uiHost || uiHost === '0.0.0.0' || uiHost === '::' ? '127.0.0.1' : uiHost;
  const root = (httpNodeRoot ?? '/').replace(/^\/*/, '/').replace(/\/*$/, '');
  return `${https ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${uiPort ?? 1880}${root}`;
}
