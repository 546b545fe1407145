import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';

/** What the page of a build shows beside the build itself. */
export interface BuildPage {
  build: BuildView;
  change: ChangeInfo;
  /** ISO 8601; missing while it runs. */
  endedAt?: string;
  /** Why it ran: "patchset 2 was uploaded", "ann commented: recheck". */
  reason: string;
  /** What happens now while it runs: "run its tests". */
  running?: string;
  /** How to run it again: the comment to write. */
  recheck?: string;
  /** Guests' memory and the like, for the command that boots the same guest by hand. */
  manualCommands?: string[];
}

/** Where logs go and how they are reached. */
export interface LogSettings {
  /** Folder on this machine. */
  root: string;
  /** URL under which that folder is served, without a trailing slash; empty where nobody serves it. */
  url: string;
  /** What one guest may bring; see DEFAULT_FETCH_LIMITS. */
  limits?: Partial<FetchLimits>;
  /** Bytes of console.log, 4 GiB where missing. */
  consoleLimit?: number;
}

/** One thing to fetch from a guest. */
export interface FetchRow {
  /**
   * Path on the guest: a file, a folder, or a glob (`*`, `?`, `[…]`) in its last segment; relative to the login's home
   * where it does not begin with a slash.
   */
  remote: string;
  /** Folder beside the console: a folder's content lands in it, a file in it under its own name. */
  dir: string;
}

/** Bounds of what one guest may fill. */
export interface FetchLimits {
  files: number;
  bytes: number;
  /** Folders within folders. */
  depth: number;
  /** Seconds without any answer after which the guest counts as gone. */
  silence: number;
}

export interface Fetched {
  files: number;
  bytes: number;
  /** Paths that were not there, or could not be read. */
  missing: string[];
  /** What was left out and why, in a sentence, where a limit cut it. */
  cut?: string;
}

/** A file of a build's folder. */
export interface FileEntry {
  /** Path within the folder, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
}
