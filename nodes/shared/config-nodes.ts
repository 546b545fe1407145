/** Types of the configuration nodes, so that node types need not import each other's files. */
import type { Node, NodeAPI } from 'node-red';
import type { GerritClient } from '../../lib/gerrit/client.ts';
import type { Link } from '../../lib/ssh/link-pool.ts';
import type { Host, SshTarget } from '../../lib/ssh/types.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import type { SshCredentials } from './ssh-settings.ts';

/** A Gerrit server to which the flow connects. */
export interface ServerEntry {
  /** Id of the gerrit-server node. */
  id: string;
  label: string;
  ciName: string;
  ciUser: string;
  /** Whether it runs on this machine: then its changes may be built without isolation. */
  local: boolean;
  link: Link;
  client: GerritClient;
}

/** A gerrit-server node. */
export interface GerritServerNode extends Node<Required<SshCredentials>> {
  /** Settles once the address of the server is known; the connection may still be down. */
  server: Promise<ServerEntry>;
}

/** An ssh-host node. */
export interface SshHostNode extends Node<Required<SshCredentials>> {
  /**
   * Acquires the shared connection; the caller must release it.
   *
   * @throws CiError if the host cannot be reached in time
   */
  open(signal: AbortSignal): Promise<{ name: string; host: Host; release(): void }>;
  /** Returns the address and login, even after the node was closed. @throws CiError if its key cannot be read */
  target(): Promise<SshTarget>;
  /** `host:port`, for messages. */
  readonly address: string;
  /** Whether the address is this machine. */
  readonly isHere: boolean;
  /** A digest of the machine, account and key, to compare nodes. */
  readonly identity: string;
}

/** A vm-image node. */
export interface VmImageNode extends Node {
  /**
   * Returns the image with its current settings. Each call looks up the parent and reads the files of scripts again,
   * because a deploy may have changed only the parent.
   *
   * @param children the chain of images that ask for it as their parent, the outermost first
   * @throws CiError if its parent or a file is missing, or if the parents form a cycle
   */
  spec(children?: readonly VmImageNode[]): ImageSpec;
}

/** A worker-host node. */
export interface WorkerHostNode extends Node {
  /**
   * The worker with its current settings; the same object as before if they did not change.
   *
   * @throws CiError if the settings are not valid
   */
  readonly worker: Worker;
  /** Keeps its connection open and removes what a crash left there. Called only for workers that a node uses. */
  attend(): void;
  /** Whether a node of the flow uses it, which then called `attend`. */
  attended: boolean;
}

/** Configuration nodes by type. */
interface ConfigNodes {
  'gerrit-server': GerritServerNode;
  'ssh-host': SshHostNode;
  'vm-image': VmImageNode;
  'worker-host': WorkerHostNode;
}

/** Returns the deployed configuration node with this id, or undefined if it is not deployed or of another type. */
export function configNode<Type extends keyof ConfigNodes>(
  RED: NodeAPI,
  type: Type,
  id: unknown,
): ConfigNodes[Type] | undefined {
  const node = typeof id === 'string' && id !== '' ? RED.nodes.getNode(id) : null;
  return node?.type === type ? (node as unknown as ConfigNodes[Type]) : undefined;
}

/** Returns all configuration nodes of a type, with undefined for those that are disabled and thus not deployed. */
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
