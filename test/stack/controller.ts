/** A controller to be killed: deploys $FLOW (JSON), starts a build, and prints its userDir once the script runs. */
import { handMade } from '../support/lane.ts';
import { startRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { scriptRuns } from './lab.ts';

const red = await startRed();
await red.deploy(JSON.parse(process.env['FLOW']!));
red.send('ci-jobs1', handMade());
const console = () => red.runtime().supervisor.active()[0]?.log?.console.tail(5).join('\n') ?? '';
await waitFor('the script runs', () => scriptRuns([], console()), 120_000);
process.stdout.write(`${red.userDir}\n`);
