import type { GerritSession } from '../../support/gerrit-session.ts';
import type { GerritUnderTest } from '../../support/gerrit-under-test.ts';

/** What a part of the contract works with; filled in before its first test. */
export interface ContractContext {
  gerrit: GerritUnderTest;
  session: GerritSession;
}
