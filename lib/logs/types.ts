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
  byHand?: string[];
}

/** Where logs go and how they are reached. */
export interface LogSettings {
  /** Folder on this machine. */
  root: string;
  /** URL under which that folder is served, without a trailing slash. */
  url: string;
}
