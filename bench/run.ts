/**
 * Runs the benchmarks: `npm run bench`, `npm run bench -- --quick`, or with the names of some of them. Each compares itself
 * with a named peer in the same run and prints whether its goal is met. A missed goal is not an error: a busy machine must
 * not fail a change.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Row, Settings } from './measure.ts';
import { printTable } from './table.ts';

const BENCHES: Record<string, (settings: Settings) => Promise<Row[]>> = {
  events: async (settings) => (await import('./events.ts')).benchEvents(settings),
  builds: async (settings) => (await import('./builds.ts')).benchBuilds(settings),
  console: async (settings) => (await import('./console.ts')).benchConsole(settings),
  fetch: async (settings) => (await import('./fetch.ts')).benchFetch(settings),
  stack: async (settings) => (await import('./stack.ts')).benchStack(settings),
  stock: async (settings) => (await import('./stack.ts')).benchStock(settings),
  gerrit: async (settings) => (await import('./gerrit.ts')).benchGerrit(settings),
};

const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true });
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const dir = await mkdtemp(join(tmpdir(), 'recheck-bench-'));
const settings: Settings = { quick: values.quick ?? false, dir, say: (text) => console.error(text) };
const rows: Row[] = [];
try {
  for (const name of names) {
    const bench = BENCHES[name];
    if (!bench) throw new Error(`unknown benchmark ${name}; known are ${Object.keys(BENCHES).join(', ')}`);
    const began = performance.now();
    try {
      rows.push(...(await bench(settings)));
      settings.say(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
    } catch (error) {
      process.exitCode = 1;
      rows.push({ what: name, value: 'failed', figures: [String(error)] });
      console.error(error);
    }
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}`);
printTable(rows);
