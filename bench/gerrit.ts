import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_CONCURRENT_POSTS } from '../lib/builds/report/poster.ts';
import { RealGerrit } from '../test/real/gerrit/fixture.ts';
import { FlowFile } from '../test/support/flows.ts';
import { GerritSession, listen } from '../test/support/gerrit-session.ts';
import { waitFor } from '../test/support/wait.ts';
import {
  type Burst,
  burst,
  heldBurst,
  LOST,
  noRecheck,
  recheck,
  review,
  reviews,
  reviewsOn,
  type Scene,
  traffic,
} from './bursts.ts';
import { Gate } from './gate.ts';
import { all, median, perSecond, type Row, type Settings, seconds } from './measure.ts';
import { MeasuredRed } from './node-red.ts';

const LATENCY_GOAL = 300;
const RATE_GOAL = 0.8;
const BURST = 50;
/** What one recheck, or a comment and a review in its place, takes; all in milliseconds. */
interface Wait {
  /** From the sending of the comment until the review is seen over REST. */
  sent: number;
  /** From Gerrit's answer to the comment. */
  answered: number;
}

async function wait(gerrit: RealGerrit, change: number, text: string, then?: () => Promise<unknown>): Promise<Wait> {
  const before = await reviewsOn(gerrit, change);
  const sent = performance.now();
  await gerrit.comment(change, text);
  const answered = performance.now();
  await then?.();
  while ((await reviewsOn(gerrit, change)) === before) {
    if (performance.now() - sent > LOST) throw new Error(`no review came after "${text}"`);
    await sleep(5);
  }
  const now = performance.now();
  return { sent: now - sent, answered: now - answered };
}

/** On a real Gerrit with the flow "1 noop": how soon one recheck is answered, and how fast fifty at once. */
export async function benchGerrit({ quick, dir, say }: Settings): Promise<Row[]> {
  say('gerrit: starting a real Gerrit');
  const gerrit = await RealGerrit.start();
  const session = await GerritSession.open();
  const gate = await Gate.open(gerrit.target.port);
  let red: MeasuredRed | undefined;
  try {
    const changes: number[] = [];
    for (let index = 0; index < BURST; index++) {
      const change = { project: gerrit.project, branch: 'master', subject: `Change ${index}` };
      changes.push(((await gerrit.admin.call('POST', 'changes/', change)) as { _number: number })._number);
    }
    red = await MeasuredRed.start('recheck', dir);
    const flow = FlowFile.shipped('1 noop').useGerrit({ ...gerrit.target, port: gate.port }, gerrit.project);
    await red.deploy(flow.nodes);
    const events = flow.node('gerrit-events').id;
    await waitFor('connected', async () => (await red!.status(events)).startsWith('connected'), LOST);
    const link = session.link(gerrit.target);
    const host = await link.host(AbortSignal.timeout(LOST));
    const stream = await listen(session.link({ ...gerrit.target, label: 'listener' }), ['comment-added']);
    const scene: Scene = { gerrit, changes, host, gate, events: stream.events };

    const times = quick ? 1 : 10;
    const live: number[] = [];
    const held: number[] = [];
    const alone: number[] = [];
    const same: number[] = [];
    let lost = 0;
    const run = async (kind: (scene: Scene) => Promise<Burst>, found?: number[]) => {
      const result = await kind(scene);
      if (kind === burst || kind === heldBurst) lost += result.lost;
      found?.push(result.ms);
    };
    for (const kind of [burst, reviews, heldBurst, traffic]) await run(kind);
    for (let time = 0; time < times; time++) {
      say(`gerrit: burst ${time + 1} of ${times}`);
      await run(heldBurst, held);
      await run(reviews, alone);
      await run(burst, live);
      await run(traffic, same);
    }
    say('gerrit: single rechecks');
    const waits: Wait[] = [];
    const bare: Wait[] = [];
    for (let time = 0; time < 10; time++) {
      const change = changes[time]!;
      waits.push(await wait(gerrit, change, recheck()));
      bare.push(await wait(gerrit, change, noRecheck(), () => review(scene, change)));
    }
    const rate = (ms: number) => perSecond((BURST / ms) * 1000);
    const sent = waits.map((one) => one.sent);
    const ratio = median(alone) / median(held);
    const liveRatio = median(same) / median(live);
    return [
      {
        what: `one recheck sent over REST to its review seen over REST, Gerrit ${gerrit.site.version}`,
        value: seconds(median(sent)),
        goal: `≤ ${seconds(LATENCY_GOAL)}`,
        met: median(sent) <= LATENCY_GOAL,
        figures: [
          `from its sending: ${all(sent, seconds)}`,
          `from Gerrit's answer to it: ${seconds(median(waits.map(({ answered }) => answered)))}`,
          `a comment and gerrit review sent right behind it, without a CI: ${seconds(median(bare.map((one) => one.sent)))}, from the answer ${seconds(median(bare.map(({ answered }) => answered)))}`,
        ],
      },
      {
        what: `${BURST} rechecks, all in Gerrit when the CI hears of them: answered a second / gerrit review alone`,
        value: ratio.toFixed(2),
        goal: `≥ ${RATE_GOAL}`,
        met: ratio >= RATE_GOAL,
        figures: [
          `ours ${rate(median(held))} (${all(held, rate)}), from the moment the CI hears the first to its last review`,
          `peer ${rate(median(alone))} (${all(alone, rate)}): gerrit review over one connection with ${MAX_CONCURRENT_POSTS} channels`,
        ],
      },
      {
        what: `${BURST} rechecks sent at once: answered a second / the same comments and gerrit reviews without a CI`,
        value: liveRatio.toFixed(2),
        goal: `≥ ${RATE_GOAL}`,
        met: liveRatio >= RATE_GOAL,
        figures: [
          `ours ${rate(median(live))} (${all(live, rate)}), from the first recheck's sending to the last review; ${(median(alone) / median(live)).toFixed(2)} of gerrit review alone, since Gerrit takes in a comment for each review`,
          `peer ${rate(median(same))} (${all(same, rate)}): as many comments over REST, and beside them gerrit review over one connection with ${MAX_CONCURRENT_POSTS} channels`,
        ],
      },
      {
        what: `rechecks lost or answered twice in ${2 * times + 2} bursts of ${BURST}`,
        value: String(lost),
        goal: '0',
        met: lost === 0,
        figures: [`${(2 * times + 2) * BURST} rechecks`],
      },
    ];
  } finally {
    await red?.stop();
    await session.close();
    gate.close();
    await gerrit.close();
  }
}
