import type { LogSettings } from '../logs/types.ts';
import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import type { Result } from '../model/result.ts';
import type { Trigger } from '../model/trigger.ts';
import type { FlowGraph } from './flow/graph.ts';

/** What travels along the wires: the build's view and what users' own nodes add. Plain JSON. */
export interface Message {
  topic?: string;
  payload?: unknown;
  change?: ChangeInfo;
  build?: BuildView;
  env?: Record<string, unknown>;
  result?: unknown;
  [property: string]: unknown;
}

/** One job to run for a trigger. */
export interface JobSpec {
  name: string;
  voting: boolean;
  /** Output of ci-jobs that its lane starts at. */
  port: number;
  env: Record<string, string>;
  /** Milliseconds from the first script's start to the last one's end. */
  timeout: number;
}

/** What ci-jobs asks for. */
export interface StartRequest {
  /** Key of the ci-jobs node. */
  node: string;
  pipeline: string;
  change: ChangeInfo;
  trigger: Trigger;
  /** Whether the change is of this machine's own Gerrit, so that a worker without walls may run it. */
  trusted: boolean;
  jobs: JobSpec[];
  /** Whether a newer patchset, or a recheck, ends the older builds of the same change. */
  supersede: boolean;
  /** Milliseconds without movement after which a build counts as lost. */
  idle: number;
  /** The comment that runs it again. */
  recheck?: string;
  /** The message as it came; each build's message starts as a copy. */
  message: Message;
}

/** A place of a message on its way: opaque to the library, `alive` tells whether the node there still is the same. */
export interface NodeInstance {
  alive(): boolean;
}

/** The flow as the supervisor reaches it: handed in by the nodes. Nodes come and go with deploys; keys stay. */
export interface Flow {
  /** Sends a message from a node's output. False where the node is not there. */
  deliver(node: string, port: number, message: Message): boolean;
  /** Gives a message to a node, a foreign one too, as if it came over a wire. False where the node is not there. */
  hand(node: string, message: Message): boolean;
  /** The place that a node is now; undefined where it is not there. */
  place(node: string): NodeInstance | undefined;
  /** The wires as deployed now. */
  graph(): FlowGraph;
  /** Where a publish-logs node puts its logs; undefined where the node is not there. */
  logSettings(node: string): LogSettings | undefined;
  /** Copies a message for keeping. */
  copy(message: Message): Message;
  /** Tells what happens, for statuses, events and the log. */
  observe(event: BuildEvent): void;
}

/** What happens in builds, for whoever shows it. */
export type BuildEvent = {
  /** `1234,2`, or the ref. */
  label: string;
  /** The build's id, and the key of the ci-jobs node that started it: of steps. */
  id?: string;
  jobs?: string;
  build?: BuildView;
  change?: ChangeInfo;
} & (
  | { kind: 'build-started'; node: string }
  | { kind: 'build-ended'; node: string; result: Result; duration: number }
  | { kind: 'step-started'; node: string; at: number }
  | { kind: 'step-progress'; node: string; what: string; values?: Record<string, string | number> }
  | { kind: 'step-ended'; node: string; result: Result; duration: number; message?: string }
  | { kind: 'step-passed'; node: string }
  | { kind: 'warning'; node: string; message: string }
  | { kind: 'report'; node: string; set: string; state: ReportState }
);

/** How a report is doing. */
export type ReportState =
  | { state: 'waiting'; pending: number; message: string }
  | { state: 'posted'; vote?: string; message: string; warnings: string[]; url?: string }
  | { state: 'silent'; vote?: string; message: string; url?: string }
  | { state: 'nothing'; message: string }
  | { state: 'failed'; message: string };

/** What a step's work ends with. */
export interface StepOutcome {
  result: Result;
  /** Becomes the message's payload. */
  payload?: unknown;
  exitCode?: number;
  signal?: string;
  /** A sentence for people where it did not succeed. */
  message?: string;
}
