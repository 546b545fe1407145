import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';

/** What the page of a build shows. */
export interface BuildPage {
  build: BuildView;
  change: ChangeInfo;
  /** When it ended, ISO 8601; missing while it is running. */
  endedAt?: string;
  /** Why it ran: "patchset 2 was uploaded", "ann commented: recheck". */
  reason: string;
  /** The current step of a running build: "run its tests". */
  running?: string;
  /** The comment that runs it again. */
  recheck?: string;
  /** Commands that boot the same guest manually. */
  manualCommands?: string[];
}

/** Where logs are stored and served. */
export interface LogSettings {
  /** Folder on this machine. */
  root: string;
  /** URL under which that folder is served, without a trailing slash; empty if nobody serves it. */
  url: string;
  /** How much is fetched from one guest; see DEFAULT_FETCH_LIMITS. */
  limits?: Partial<FetchLimits>;
  /** Bytes of console.log; 4 GiB if missing. */
  consoleLimit?: number;
}

/** A path to fetch from a guest. */
export interface FetchRow {
  /**
   * Path on the guest: a file, a folder, or a glob (`*`, `?`, `[…]`) in its last segment; relative to the login's home
   * unless it begins with a slash.
   */
  remote: string;
  /** Folder next to the console: receives the content of a folder, or a file under its own name. */
  dir: string;
}

/** Limits for the files of one guest. */
export interface FetchLimits {
  files: number;
  bytes: number;
  /** Levels of nested folders. */
  depth: number;
  /** Seconds without an answer after which the guest is considered lost. */
  silence: number;
}

/** What was fetched from a guest. */
export interface Fetched {
  files: number;
  bytes: number;
  /** Paths that do not exist or cannot be read. */
  missing: string[];
  /** A sentence on what a limit cut off. */
  cut?: string;
}

/** A file of a build's folder. */
export interface FileEntry {
  /** Path within the folder, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
}
