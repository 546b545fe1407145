import type { GerritSession } from '../../support/gerrit-session.ts';
import type { GerritUnderTest } from '../../support/gerrit-under-test.ts';

/** The server and session that the parts of the contract share; set before the first test. */
export interface ContractContext {
  gerrit: GerritUnderTest;
  session: GerritSession;
}
