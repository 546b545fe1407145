/**
 * Runs one script on a host and writes its output to a console, as ssh-exec does, in a process of its own so that its
 * memory can be measured. Takes a ConsoleJob by IPC, answers with a ConsoleAnswer. Needs --expose-gc.
 */
import { readFileSync } from 'node:fs';
import { ConsoleWriter } from '../lib/logs/console.ts';
import { connectHost } from '../lib/ssh/connect.ts';
import { KnownHosts } from '../lib/ssh/known-hosts.ts';
import { runScript } from '../lib/ssh/script.ts';
import type { ConsoleAnswer, ConsoleJob } from './console.ts';

const collect = () => globalThis.gc!({ type: 'major', execution: 'sync', flavor: 'last-resort' });

/** Returns the peak of this process's resident memory in bytes, as counted by the kernel. */
const peak = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

async function run({ target, knownHosts, text, file, drop }: ConsoleJob): Promise<ConsoleAnswer> {
  const host = await connectHost(target, { knownHosts: new KnownHosts(knownHosts) });
  const script = { interpreter: '/bin/sh -e', env: {}, timeout: 600_000 };
  const signal = new AbortController().signal;
  // A first script takes what every script needs, so that only growth with the output is counted.
  await runScript(host, { ...script, text: 'echo ready' }, { signal, onOutput: () => {} });
  collect();
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const writer = await ConsoleWriter.open(file);
  const { code } = await runScript(
    host,
    { ...script, text },
    {
      signal,
      onOutput: (chunk) => (drop ? undefined : writer.write(chunk)),
    },
  );
  await writer.close();
  const ms = performance.now() - began;
  host.close();
  if (code !== 0) throw new Error(`the script exited with code ${code}`);
  const most = peak();
  collect();
  const left = process.memoryUsage.rss() - before;
  return { ms, growth: most - before, left, lines: writer.lines, bytes: writer.bytes };
}

process.once('message', (job: ConsoleJob) => {
  run(job).then(
    (answer) => process.send!(answer, () => process.exit()),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
