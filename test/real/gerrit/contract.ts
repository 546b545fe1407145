import { after, before, describe } from 'node:test';
import { GerritSession } from '../../support/gerrit-session.ts';
import type { GerritUnderTest } from '../../support/gerrit-under-test.ts';
import { clientContract } from './contract-client.ts';
import { commandContract } from './contract-commands.ts';
import type { ContractContext } from './contract-context.ts';
import { eventContract } from './contract-events.ts';
import { quotingContract } from './contract-quoting.ts';
import { reviewContract } from './contract-review.ts';

/**
 * Defines tests of the Gerrit behaviour that Recheck relies on. They run against the real server and the sandbox's, so
 * that neither the sandbox nor our understanding of the real server drifts.
 */
export function gerritContract(name: string, start: () => Promise<GerritUnderTest>): void {
  describe(`Gerrit's contract: ${name}`, { timeout: 600_000 }, () => {
    const context = {} as ContractContext;
    before(async () => {
      context.session = await GerritSession.open();
      context.gerrit = await start();
    });
    after(async () => {
      await context.session.close();
      await context.gerrit?.close();
    });
    commandContract(context);
    quotingContract(context);
    reviewContract(context);
    eventContract(context);
    clientContract(context);
  });
}
