import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_CONCURRENT_POST_COUNT } from '../lib/builds/report/poster.ts';
import { RealGerrit } from '../test/real/gerrit/fixture.ts';
import { FlowFile } from '../test/support/flows.ts';
import { GerritSession, listen } from '../test/support/gerrit-session.ts';
import { waitFor } from '../test/support/wait.ts';
import {
  type Burst,
  burst,
  heldBurst,
  noRecheck,
  REVIEW_TIMEOUT_MS,
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

const MAX_LATENCY_MS = 300;
const MIN_RATE_RATIO = 0.8;
const BURST_COUNT = 50;

/** Milliseconds of one recheck, or of a comment and a review instead. */
interface Wait {
  /** From sending the comment until the review is visible over REST. */
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
    if (performance.now() - sent > REVIEW_TIMEOUT_MS) throw new Error(`no review was posted after "${text}"`);
    await sleep(5);
  }
  const now = performance.now();
  return { sent: now - sent, answered: now - answered };
}

/** Measures on a real Gerrit, with the flow "1 noop", how soon one recheck is answered, and fifty at once. */
export async function benchGerrit({ quick, dir, say }: Settings): Promise<Row[]> {
  say('gerrit: starting a real Gerrit');
  const gerrit = await RealGerrit.start();
  const session = await GerritSession.open();
  const gate = await Gate.open(gerrit.target.port);
  let red: MeasuredRed | undefined;
  try {
    const changes: number[] = [];
    for (let index = 0; index < BURST_COUNT; index++) {
      const change = { project: gerrit.project, branch: 'master', subject: `Change ${index}` };
      changes.push(((await gerrit.admin.call('POST', 'changes/', change)) as { _number: number })._number);
    }
    red = await MeasuredRed.start('recheck', dir);
    const flow = FlowFile.shipped('1 noop').useGerrit({ ...gerrit.target, port: gate.port }, gerrit.project);
    await red.deploy(flow.nodes);
    const events = flow.node('gerrit-events').id;
    await waitFor('connected', async () => (await red!.status(events)).startsWith('connected'), REVIEW_TIMEOUT_MS);
    const link = session.link(gerrit.target);
    const host = await link.host(AbortSignal.timeout(REVIEW_TIMEOUT_MS));
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
    const rate = (ms: number) => perSecond((BURST_COUNT / ms) * 1000);
    const sent = waits.map((one) => one.sent);
    const ratio = median(alone) / median(held);
    const liveRatio = median(same) / median(live);
    return [
      {
        what: `one recheck sent over REST to its review seen over REST, Gerrit ${gerrit.site.version}`,
        value: seconds(median(sent)),
        goal: `≤ ${seconds(MAX_LATENCY_MS)}`,
        met: median(sent) <= MAX_LATENCY_MS,
        figures: [
          `from sending it: ${all(sent, seconds)}`,
          `from Gerrit's answer to it: ${seconds(median(waits.map(({ answered }) => answered)))}`,
          `a comment and then gerrit review, without a CI: ${seconds(median(bare.map((one) => one.sent)))}, from the answer ${seconds(median(bare.map(({ answered }) => answered)))}`,
        ],
      },
      {
        what: `${BURST_COUNT} rechecks, all in Gerrit when the CI hears of them: answered a second / gerrit review alone`,
        value: ratio.toFixed(2),
        goal: `≥ ${MIN_RATE_RATIO}`,
        met: ratio >= MIN_RATE_RATIO,
        figures: [
          `ours ${rate(median(held))} (${all(held, rate)}), from the CI's first event to its last review`,
          `peer ${rate(median(alone))} (${all(alone, rate)}): gerrit review over one connection with ${MAX_CONCURRENT_POST_COUNT} channels`,
        ],
      },
      {
        what: `${BURST_COUNT} rechecks sent at once: answered a second / the same comments and gerrit reviews without a CI`,
        value: liveRatio.toFixed(2),
        goal: `≥ ${MIN_RATE_RATIO}`,
        met: liveRatio >= MIN_RATE_RATIO,
        figures: [
          `ours ${rate(median(live))} (${all(live, rate)}), from sending the first recheck to the last review; ${(median(alone) / median(live)).toFixed(2)} of gerrit review alone, since Gerrit stores a comment for each review`,
          `peer ${rate(median(same))} (${all(same, rate)}): as many comments over REST, and at the same time gerrit review over one connection with ${MAX_CONCURRENT_POST_COUNT} channels`,
        ],
      },
      {
        what: `rechecks lost or answered twice in ${2 * times + 2} bursts of ${BURST_COUNT}`,
        value: String(lost),
        goal: '0',
        met: lost === 0,
        figures: [`${(2 * times + 2) * BURST_COUNT} rechecks`],
      },
    ];
  } finally {
    await red?.stop();
    await session.close();
    gate.close();
    await gerrit.close();
  }
}
