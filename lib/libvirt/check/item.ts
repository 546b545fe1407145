/** What a check is about; the editor has a label for each. */
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

/** The result of one check. */
export interface Check {
  what: CheckSubject;
  /** Whether builds can run as is. */
  ok: boolean;
  /** What was found, or what is wrong. */
  detail: string;
  /** The command or the line of a file that fixes or, if it is ok, improves it. */
  fix?: string;
}
