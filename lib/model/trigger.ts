/** What can start builds: an event of Gerrit, or a person ("manual"). */
export type TriggerType = 'patchset' | 'recheck' | 'merged' | 'ref' | 'manual';

/** Why builds start. */
export interface Trigger {
  type: TriggerType;
  /**
   * Distinguishes this trigger from others on the same server, project, change and patchset. A replayed event has the
   * same key, which is how duplicates are found.
   */
  key: string;
  /** For people: "patchset 2 was uploaded", "ann commented: recheck". */
  reason: string;
}
