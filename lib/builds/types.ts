import type { LogSettings } from '../logs/types.ts';
import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import type { Result } from '../model/result.ts';
import type { Trigger } from '../model/trigger.ts';
import type { FlowGraph } from './flow-graph.ts';
import type { ReviewSettings } from './review-settings.ts';

/** A message on the wires: a copy of the build's record and what users' nodes add. Plain JSON. */
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
  /** Output of ci-jobs where its lane starts. */
  port: number;
  env: Record<string, string>;
  /** Time limit in milliseconds, from the start of the first test step to the end of the last one. */
  timeout: number;
}

/** What ci-jobs asks the supervisor to build. */
export interface StartRequest {
  /** Key of the ci-jobs node. */
  node: string;
  pipeline: string;
  change: ChangeInfo;
  trigger: Trigger;
  /** Whether the change comes from a Gerrit on this machine, so that a worker that is not isolated may run it. */
  trusted: boolean;
  jobs: JobSpec[];
  /** Whether a newer patchset or a recheck cancels older builds of the same change. */
  supersede: boolean;
  /** Milliseconds without progress after which a build counts as lost. */
  idle: number;
  /** The comment that runs the jobs again. */
  recheck?: string;
  /** The message that ci-jobs received; each build's message starts as a copy. */
  message: Message;
}

/** A deployed node. `alive` returns false once a deploy has closed or replaced it. */
export interface NodeInstance {
  alive(): boolean;
}

/** A node that a message was sent to. */
export interface Destination {
  /** Key of the node. */
  node: string;
  type: string;
  instance: NodeInstance;
  /** Copy to send again if a deploy closes the node before it has passed the message on. */
  message?: Message;
}

/** The deployed flow, as the supervisor uses it. Nodes come and go with deploys; their keys stay. */
export interface Flow {
  /** Sends a message from a node's output. @returns false if the node is not in the flow */
  sendFrom(node: string, port: number, message: Message): boolean;
  /** Sends a message to the input of any node. @returns false if the node is not in the flow */
  inject(node: string, message: Message): boolean;
  /** Returns the deployed node of a key; undefined if it is not in the flow. */
  instance(node: string): NodeInstance | undefined;
  /** Returns the wires of the deployed flow. */
  graph(): FlowGraph;
  /** Returns the log settings of a publish-logs node; undefined if it is not in the flow. */
  logSettings(node: string): LogSettings | undefined;
  /** Returns the settings of a gerrit-review node; undefined if it is not in the flow. */
  reviewSettings(node: string): ReviewSettings | undefined;
  /** Clones a message. */
  copy(message: Message): Message;
  /** Publishes an event for node statuses, users' listeners and the log. */
  emit(event: BuildEvent): void;
}

/** An event in the life of a build. Durations are in milliseconds, `at` is milliseconds since the epoch. */
export type BuildEvent = {
  /** `1234,2`, or the ref. */
  label: string;
  /** For step events: the build's id and, as `jobs`, the key of the ci-jobs node that started it. */
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

/** State of a report. */
export type ReportState =
  | { state: 'waiting'; pending: number; message: string }
  | { state: 'posted'; vote?: string; message: string; warnings: string[]; url?: string }
  | { state: 'silent'; vote?: string; message: string; url?: string }
  | { state: 'nothing'; why: 'superseded' | 'noPatchset' }
  | { state: 'failed'; message: string }
  /** One of the node's templates is invalid: the default text is used. */
  | { state: 'badTemplate'; message: string };

/** The outcome of a step's work. */
export interface StepOutcome {
  result: Result;
  /** Becomes the message's payload. */
  payload?: unknown;
  exitCode?: number;
  signal?: string;
  /** If the step did not succeed: why, as a sentence for people. */
  message?: string;
}
