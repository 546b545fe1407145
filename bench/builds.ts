import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { make } from '../test/support/flow-builder.ts';
import { FlowFile } from '../test/support/flows.ts';
import type { FlowConfig } from '../test/support/red.ts';
import { all, median, mib, type Row, type Settings, seconds, timed } from './measure.ts';
import { MeasuredRed } from './node-red.ts';
import { patchsetMessage } from './recorded-stream.ts';

const BUILDS_COUNT = 1000;
const MAX_MEMORY_BYTES = 25 * 2 ** 20;
/** Growth per thousand builds that is still noise of the allocators. */
const MAX_GROWTH_BYTES = 8 * 2 ** 20;
/** Milliseconds after which ended builds are forgotten. */
const FORGET_TIME_MS = 6_000;

/** A flow, and the node that messages enter at. */
interface MeasuredFlow {
  nodes: FlowConfig[];
  first: string;
}

/** The shipped flow "1 noop", without a Gerrit: messages are handed to its ci-jobs. */
async function noopFlow(dir: string): Promise<MeasuredFlow> {
  const nothing = join(dir, 'no-events.json');
  await writeFile(nothing, '');
  const flow = FlowFile.shipped('1 noop').set('gerrit-events', { source: 'replay', server: '', replayFile: nothing });
  return {
    nodes: flow.nodes.filter(({ type }) => type !== 'gerrit-server'),
    first: flow.node('ci-jobs').id,
  };
}

/** The peer: eight function nodes that pass a message on. The last one counts it. */
function bareFlow(): MeasuredFlow {
  const nodes = Array.from({ length: 8 }, (_, index) =>
    make('function', {
      id: `function${index}`,
      func: index === 7 ? 'global.get("passed")();' : 'return msg;',
      outputs: 1,
      wires: [index === 7 ? [] : [`function${index + 1}`]],
    }),
  );
  return { nodes: [make('tab', { id: 'tab', label: 'bare' }), ...nodes], first: 'function0' };
}

interface Measured {
  /** Milliseconds of wall time, and of processor time. */
  ms: number;
  cpu: number;
  rest: number;
  after: number;
  /** If it was asked for: after as many builds again, and how much the heap grew with them. */
  again?: number;
  heap?: number;
}

async function measure(kind: 'bare' | 'recheck', flow: MeasuredFlow, files: string[], dir: string): Promise<Measured> {
  const red = await MeasuredRed.start(kind, dir);
  try {
    await red.deploy(flow.nodes);
    await sleep(1000);
    const rest = await red.memory();
    const time = await red.pass(files[0]!, flow.first);
    await sleep(FORGET_TIME_MS);
    const after = await red.memory();
    if (files[1] === undefined) return { ...time, rest: rest.rss, after: after.rss };
    await red.pass(files[1], flow.first);
    await sleep(FORGET_TIME_MS);
    const again = await red.memory();
    return { ...time, rest: rest.rss, after: after.rss, again: again.rss, heap: again.heap - after.heap };
  } finally {
    await red.stop();
  }
}

/** Writes the files of the builds in a bare loop: a folder, a console, three pages twice. Returns milliseconds. */
async function filesAlone(dir: string): Promise<number> {
  const root = join(dir, 'files');
  const page = 'x'.repeat(12_000);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < BUILDS_COUNT; index = next++) {
      const folder = join(root, String(index), '1', 'check', 'noop', 'id');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'console.log'), 'two lines\n');
      for (const name of ['console.html', 'index.html', 'build.json', 'console.html', 'index.html', 'build.json']) {
        await writeFile(join(folder, `.${name}.new`), page);
        await rename(join(folder, `.${name}.new`), join(folder, name));
      }
    }
  };
  const ms = await timed(() => Promise.all(Array.from({ length: 8 }, worker)));
  await rm(root, { recursive: true });
  return ms;
}

/** Compares a thousand noop builds in a real Node-RED with eight function nodes, in time and memory. */
export async function benchBuilds({ quick, dir, say }: Settings): Promise<Row[]> {
  const rounds = quick ? 1 : 3;
  const files = [0, 1].map((part) => join(dir, `messages-${part}.json`));
  for (const [part, file] of files.entries()) {
    const lines = Array.from({ length: BUILDS_COUNT }, (_, index) =>
      JSON.stringify(patchsetMessage(1 + part * BUILDS_COUNT + index)),
    );
    await writeFile(file, `${lines.join('\n')}\n`);
  }
  const noop = await noopFlow(dir);
  const ours: Measured[] = [];
  const peer: Measured[] = [];
  const alone: number[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`builds: round ${round + 1} of ${rounds}`);
    const last = round === rounds - 1;
    alone.push(await filesAlone(dir));
    peer.push(await measure('bare', bareFlow(), files.slice(0, 1), dir));
    ours.push(await measure('recheck', noop, last ? files : files.slice(0, 1), dir));
  }
  const ratio = median(ours.map(({ ms }) => ms)) / median(peer.map(({ ms }) => ms));
  const each = (from: Measured[], of: keyof Measured) => from.map((one) => one[of]!);
  const over = (of: 'rest' | 'after') => median(each(ours, of)) - median(each(peer, of));
  const worst = Math.max(over('rest'), over('after'));
  const { after, again, heap } = ours.at(-1)!;
  const growth = again! - after;
  return [
    {
      what: `${BUILDS_COUNT} noop builds, event to report / eight function nodes`,
      value: ratio.toFixed(0),
      figures: [
        `ours ${seconds(median(each(ours, 'ms')))} (${all(each(ours, 'ms'), seconds)}): ${(median(each(ours, 'ms')) / BUILDS_COUNT).toFixed(2)} ms per build, of which ${(median(each(ours, 'cpu')) / BUILDS_COUNT).toFixed(2)} ms of processor time`,
        `peer ${seconds(median(each(peer, 'ms')))} (${all(each(peer, 'ms'), seconds)})`,
        `a build writes a folder, a console and three pages twice, the peer nothing; a bare loop takes for these files ${seconds(median(alone))} (${all(alone, seconds)})`,
      ],
    },
    {
      what: 'memory over a bare Node-RED, at rest and after 1000 builds',
      value: mib(worst),
      goal: `≤ ${mib(MAX_MEMORY_BYTES)}`,
      met: worst <= MAX_MEMORY_BYTES,
      figures: [
        `at rest: ours ${all(each(ours, 'rest'), mib)}; peer ${all(each(peer, 'rest'), mib)}; difference ${mib(over('rest'))}`,
        `after ${BUILDS_COUNT}: ours ${all(each(ours, 'after'), mib)}; peer ${all(each(peer, 'after'), mib)}; difference ${mib(over('after'))}`,
      ],
    },
    {
      what: 'memory that 1000 more builds add',
      value: mib(growth),
      goal: `≤ ${mib(MAX_GROWTH_BYTES)}`,
      met: growth <= MAX_GROWTH_BYTES,
      figures: [
        `after ${BUILDS_COUNT} builds ${mib(after)}, after ${2 * BUILDS_COUNT} builds ${mib(again!)}; on V8's heap ${mib(heap!)}: the keys of the triggers seen`,
      ],
    },
  ];
}
