import type { Result } from './result.ts';

/** One guest of a build, as a message shows it. */
export interface GuestView {
  /** Worker host that it runs on, by its name. */
  host: string;
  image: string;
  /** Name of its clone on the worker. */
  clone: string;
  /** libvirt domain; missing until it was booted. */
  domain?: string;
  /** Address at which its SSH answers; missing until it was booted. */
  address?: string;
}

/** What one step of a build did. */
export interface StepRecord {
  /** Key of the node that ran it. */
  node: string;
  /** The node's name, or what it does. */
  name: string;
  /** Node type: clone-image, virsh-boot, metadata-server, ssh-exec, publish-logs. */
  type: string;
  guest?: string;
  result: Result;
  /** ISO 8601, UTC. */
  startedAt: string;
  /** Milliseconds. */
  duration: number;
  exitCode?: number;
  signal?: string;
  /** What went wrong and what to do, in a sentence. */
  message?: string;
  /** First line of this step in console.log, counted from 1. */
  line?: number;
  /** Its last lines of output, at most twenty, where it did not succeed. */
  tail?: string[];
}

/** `msg.build`: a copy of the supervisor's record. Plain JSON. */
export interface BuildView {
  id: string;
  /** Counted from 1. */
  attempt: number;
  set: { id: string; index: number; count: number };
  pipeline: string;
  job: string;
  voting: boolean;
  /** Missing while nothing has gone wrong and the build runs. */
  result?: Result;
  env: Record<string, string>;
  guests: Record<string, GuestView>;
  steps: StepRecord[];
  /** Where its logs can be read, from the build's start on; missing where its lane publishes none. */
  logUrl?: string;
  /** ISO 8601, UTC. */
  startedAt: string;
}
