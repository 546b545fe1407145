/** The configuration nodes as other nodes see them, so that none has to import another's file. */
import type { Node, NodeAPI } from 'node-red';
import type { GerritClient } from '../../lib/gerrit/client.ts';
import type { Link } from '../../lib/ssh/link-pool.ts';
import type { Host, SshTarget } from '../../lib/ssh/types.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import type { SshCredentials } from './ssh-settings.ts';

/** A Gerrit server that the flow is connected to. */
export interface ServerEntry {
  /** Id of the gerrit-server node. */
  id: string;
  label: string;
  ciName: string;
  ciUser: string;
  /** Whether it runs on this machine, so that its changes may run without isolation. */
  local: boolean;
  link: Link;
  client: GerritClient;
}

export interface GerritServerNode extends Node<Required<SshCredentials>> {
  /** Settles once it is known where to connect; the connection itself may still be down. */
  server: Promise<ServerEntry>;
}

export interface SshHostNode extends Node<Required<SshCredentials>> {
  /**
   * Connects over the shared connection, held until `release`.
   *
   * @throws CiError if the host cannot be reached in time
   */
  open(signal: AbortSignal): Promise<{ name: string; host: Host; release(): void }>;
  /** Returns the address and the login; also after the node was closed. @throws CiError if its key cannot be read */
  target(): Promise<SshTarget>;
  /** `host:port`. */
  readonly address: string;
  /** Whether it is this machine. */
  readonly isHere: boolean;
  /** A digest that differs for each machine, account or key. */
  readonly identity: string;
}

export interface VmImageNode extends Node {
  /**
   * Returns the image as it is set now, with the key of what it is built from. Looks its parent up and reads its
   * scripts' files at each call: a deploy may have changed the parent alone.
   *
   * @param children the images that ask for it as their parent, the first one asked for first
   * @throws CiError if its parent or a file is missing, or if it is its own parent
   */
  spec(children?: readonly VmImageNode[]): ImageSpec;
}

export interface WorkerHostNode extends Node {
  /**
   * The worker as it is set now; the same object as before if nothing changed.
   *
   * @throws CiError if the settings make none
   */
  readonly worker: Worker;
  /**
   * Holds its connection and cleans up what a crash left there. A worker that no node of the flow uses is left alone.
   */
  attend(): void;
  /** Whether a node of the flow uses it. */
  attended: boolean;
}

/** The configuration nodes by their type. */
interface ConfigNodes {
  'gerrit-server': GerritServerNode;
  'ssh-host': SshHostNode;
  'vm-image': VmImageNode;
  'worker-host': WorkerHostNode;
}

/** Returns the deployed configuration node of that id; undefined if it is not deployed, or of another type. */
export function configNode<Type extends keyof ConfigNodes>(
  RED: NodeAPI,
  type: Type,
  id: unknown,
): ConfigNodes[Type] | undefined {
  const node = typeof id === 'string' && id !== '' ? RED.nodes.getNode(id) : null;
  return node?.type === type ? (node as unknown as ConfigNodes[Type]) : undefined;
}

/** Returns all configuration nodes of a type; undefined in place of one that is not deployed because it is disabled. */
export function configNodes<Type extends keyof ConfigNodes>(
  RED: NodeAPI,
  type: Type,
): (ConfigNodes[Type] | undefined)[] {
  const ids: string[] = [];
  RED.nodes.eachNode((node) => {
    if (node.type === type) ids.push(node.id);
  });
  return ids.map((id) => configNode(RED, type, id));
}
