import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { changeOf } from '../lib/gerrit/change.ts';
import { type EventTrigger, eventTypesOf, makeFilter } from '../lib/gerrit/filter.ts';
import { StreamPool } from '../lib/gerrit/stream.ts';
import type { Link } from '../lib/ssh/link-pool.ts';
import type { Host, Running } from '../lib/ssh/types.ts';
import { all, inTurns, median, perSecond, type Row, type Settings, timed } from './measure.ts';
import { recordedStream } from './recorded-stream.ts';

const TRIGGERS: EventTrigger[] = ['patchset', 'recheck', 'merged', 'ref'];
const MIN_RATIO = 0.5;

/** Returns a link whose stream-events is a recorded file. */
function linkTo(file: string): Link {
  const host: Pick<Host, 'label' | 'gone' | 'start' | 'close'> = {
    label: 'gerrit recorded',
    gone: new AbortController().signal,
    start: async () =>
      ({
        stdin: new PassThrough(),
        stdout: createReadStream(file),
        stderr: new PassThrough(),
        exit: new Promise(() => {}),
        close() {},
      }) satisfies Running,
    close() {},
  };
  return {
    target: { label: host.label, host: 'recorded', port: 0, user: 'my-ci', privateKey: '' },
    health: { state: 'up' },
    host: async () => host as Host,
    onHealth: () => () => {},
    retry() {},
    release() {},
  } as Link;
}

/** Recheck: the stream as gerrit-events reads it, its filter, and the change of each accepted event. */
function ours(file: string, count: number): Promise<number> {
  const filter = makeFilter({
    triggers: TRIGGERS,
    projects: [
      { match: 'exact', pattern: 'demo' },
      { match: 'glob', pattern: 'openstack/*' },
    ],
    branches: [{ match: 'exact', pattern: 'master' }],
    ciUser: 'my-ci',
    ciName: 'my-ci',
  });
  return new Promise((resolve) => {
    const pool = new StreamPool();
    let taken = 0;
    pool.attach(linkTo(file), 'bench', eventTypesOf(TRIGGERS), {
      onEvent(event) {
        if (filter(event).take && changeOf(event, 'server')) taken++;
        if (event.type !== 'last-event') return;
        pool.close();
        if (taken === 0 || taken === count) throw new Error(`the filter accepted ${taken} of ${count} events`);
        resolve(taken);
      },
    });
  });
}

/** The peer: only readline and JSON.parse. */
function peer(file: string): Promise<void> {
  return new Promise((resolve) => {
    const reader = createInterface({ input: createReadStream(file) });
    let last: unknown;
    reader.on('line', (line) => {
      last = JSON.parse(line);
    });
    reader.on('close', () => {
      if ((last as { type?: string }).type !== 'last-event') throw new Error('the peer lost the last event');
      resolve();
    });
  });
}

/** Compares events per second, parsed, filtered and dispatched, with a bare loop over the same file. */
export async function benchEvents({ quick, dir, say }: Settings): Promise<Row[]> {
  const count = quick ? 20_000 : 60_000;
  const rounds = quick ? 5 : 9;
  const file = join(dir, 'recorded-stream.json');
  await writeFile(file, `${recordedStream(count)}{"type":"last-event"}\n`);
  const { size } = await stat(file);
  say(`events: ${count} events, ${rounds} rounds`);
  let taken = 0;
  const one = async () => {
    taken = await ours(file, count);
  };
  // The first second of a server that runs for months does not matter.
  await one();
  await peer(file);
  const times = await inTurns(
    rounds,
    () => timed(one),
    () => timed(() => peer(file)),
  );
  const rate = (ms: number) => perSecond((count / ms) * 1000);
  const ratio = median(times.peer) / median(times.ours);
  return [
    {
      what: 'events parsed, filtered, dispatched a second / readline + JSON.parse',
      value: ratio.toFixed(2),
      goal: `≥ ${MIN_RATIO}`,
      met: ratio >= MIN_RATIO,
      figures: [
        `${count} events of ${Math.round(size / count)} bytes on average, ${taken} accepted`,
        `ours ${rate(median(times.ours))} (${all(times.ours, rate)})`,
        `peer ${rate(median(times.peer))} (${all(times.peer, rate)})`,
      ],
    },
  ];
}
