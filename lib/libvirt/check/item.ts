/** What a check is about; the editor has a word for each. */
export type CheckSubject =
  | 'login'
  | 'shell'
  | 'sessions'
  | 'forwarding'
  | 'commands'
  | 'libvirt'
  | 'storage'
  | 'leftovers'
  | 'networks'
  | 'metadata'
  | 'guests'
  | 'processor'
  | 'firmware'
  | 'capacity';

/** One thing that a worker must have. */
export interface Check {
  what: CheckSubject;
  /** Whether builds can run as it is. */
  ok: boolean;
  /** What is there, or what is wrong. */
  detail: string;
  /** The command, or the line of a file, that mends it; of one that is ok, what would make it better. */
  mend?: string;
}
