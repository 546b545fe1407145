import type { Result } from './result.ts';

/** One guest of a build, as it appears in `msg.build.guests`. */
export interface GuestView {
  /** Name of the worker host that it runs on. */
  host: string;
  image: string;
  /** Name of its clone on the worker. */
  clone: string;
  /** Name of its libvirt domain; missing until it is booted. */
  domain?: string;
  /** Address of its SSH server; missing until it is booted. */
  address?: string;
}

/** Record of one step of a build. */
export interface StepRecord {
  /** Key of the node that ran the step. */
  node: string;
  /** Name of the node; if it has none, what it does. */
  name: string;
  /** Node type: clone-image, virsh-boot, metadata-server, ssh-exec, publish-logs. */
  type: string;
  guest?: string;
  result: Result;
  /** ISO 8601, UTC. */
  startedAt: string;
  /** In milliseconds. */
  duration: number;
  exitCode?: number;
  signal?: string;
  /** A sentence for a person: what went wrong, and what to do. */
  message?: string;
  /** Line of console.log that the step starts at, counted from 1. */
  line?: number;
  /** The last lines of output, at most 20, if the step did not succeed. */
  tail?: string[];
}

/** Contents of `msg.build`: a copy of the supervisor's record, plain JSON. */
export interface BuildView {
  id: string;
  /** Counted from 1. */
  attempt: number;
  set: { id: string; index: number; count: number };
  pipeline: string;
  job: string;
  voting: boolean;
  /** Missing while the build runs and all of its steps have succeeded. */
  result?: Result;
  env: Record<string, string>;
  guests: Record<string, GuestView>;
  steps: StepRecord[];
  /** URL of its logs, readable from the start of the build; missing if its lane does not publish logs. */
  logUrl?: string;
  /** ISO 8601, UTC. */
  startedAt: string;
}
