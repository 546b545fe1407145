import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SshTarget } from '../lib/ssh/types.ts';
import { startOpenSsh } from '../test/support/openssh.ts';
import { all, childArgs, inTurns, median, mib, type Row, type Settings, seconds, timed } from './measure.ts';
import { nativeBinding } from './native.ts';

const MAX_RATIO = 1;
const MAX_MEMORY_BYTES = 64 * 2 ** 20;

/** What a console child is to do. */
export interface ConsoleJob {
  target: SshTarget;
  knownHosts: string;
  text: string;
  file: string;
  /** Whether the output is read and discarded, for comparison. */
  drop?: boolean;
}

export interface ConsoleAnswer {
  ms: number;
  /** Peak of memory in bytes, above its level before the output. */
  growth: number;
  /** Bytes of it that remain after a garbage collection. */
  left: number;
  lines: number;
  bytes: number;
}

/** Writes a log like those of builds: lines of 20 to 180 characters, a megabyte of them over and over. */
async function makeOutput(file: string, bytes: number): Promise<number> {
  let block = '';
  for (let line = 0; block.length < 1 << 20; line++) {
    block += `[${String(line).padStart(6)}] ${'compiling module and linking it against all others '.repeat(4).slice(0, 10 + ((line * 53) % 160))}\n`;
  }
  const stream = createWriteStream(file);
  for (let written = 0; written < bytes; written += block.length) {
    if (!stream.write(block)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
  return (block.match(/\n/g)?.length ?? 0) * Math.ceil(bytes / block.length);
}

async function ours(job: ConsoleJob): Promise<ConsoleAnswer> {
  const child = fork(join(import.meta.dirname, 'console-child.ts'), { execArgv: childArgs('console') });
  const exited = once(child, 'exit');
  child.send(job);
  const answer = await Promise.race([once(child, 'message').then(([message]) => message as ConsoleAnswer), exited]);
  if (!('ms' in answer)) throw new Error('the console child has exited');
  await exited;
  await rm(job.file, { force: true });
  return answer;
}

/** Runs `ssh host cat FILE > file`. Returns milliseconds. */
async function peer(o: { port: number; user: string; key: string; from: string; to: string; options: string[] }) {
  const to = await open(o.to, 'w');
  const quiet = ['-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];
  const args = [...quiet, '-o', 'LogLevel=ERROR', '-i', o.key, '-p', String(o.port), ...o.options];
  const child = spawn('ssh', [...args, `${o.user}@127.0.0.1`, 'cat', o.from], {
    stdio: ['ignore', to.fd, 'inherit'],
  });
  const [code] = await once(child, 'close');
  await to.close();
  const { size } = await stat(o.to);
  await rm(o.to);
  if (code !== 0 || size === 0) throw new Error(`ssh ended with ${code} and ${size} bytes`);
}

/** Compares a flood of console output from a real sshd with ssh and cat of the same bytes. */
export async function benchConsole({ quick, dir, say }: Settings): Promise<Row[]> {
  const size = quick ? 256 << 20 : 1 << 30;
  const rounds = quick ? 2 : 3;
  const native = await nativeBinding();
  say(`console: ${mib(size)}, ${rounds} rounds; ${native}`);
  const from = join(dir, 'output.txt');
  const lines = await makeOutput(from, size);
  const sshd = await startOpenSsh();
  try {
    const { port, target } = sshd;
    const key = join(dir, 'id');
    await writeFile(key, target.privateKey, { mode: 0o600 });
    const job = {
      target,
      knownHosts: join(dir, 'known-hosts.json'),
      text: `cat '${from}'`,
      file: join(dir, 'console.log'),
    };
    const ssh = (options: string[]) =>
      timed(() => peer({ port, user: target.user, key, from, to: join(dir, 'copy'), options }));
    const answers: ConsoleAnswer[] = [];
    const runs = await inTurns(
      rounds,
      async () => {
        const answer = await ours(job);
        if (answer.lines !== lines) throw new Error(`${answer.lines} of ${lines} lines arrived`);
        answers.push(answer);
        return answer.ms;
      },
      () => ssh([]),
    );
    const gcm = await ssh(['-c', 'aes128-gcm@openssh.com']);
    const bare = await ours({ ...job, drop: true });
    const ratio = median(runs.ours) / median(runs.peer);
    const each = (of: 'growth' | 'left') =>
      all(
        answers.map((answer) => answer[of]),
        mib,
      );
    const growth = Math.max(...answers.map((answer) => answer.growth));
    return [
      {
        what: `${mib(size)} of console over SSH into console.log: time / ssh host cat > file`,
        value: ratio.toFixed(2),
        goal: `≤ ${MAX_RATIO.toFixed(1)}`,
        met: ratio <= MAX_RATIO,
        figures: [
          native,
          `ours ${seconds(median(runs.ours))} (${all(runs.ours, seconds)}), ${lines} lines: ${mib(answers[0]!.bytes)} written, times and all`,
          `peer ${seconds(median(runs.peer))} (${all(runs.peer, seconds)}) with ssh's own choice of a cipher; ${seconds(gcm)} with -c aes128-gcm@openssh.com`,
        ],
      },
      {
        what: 'memory that this console takes at its most',
        value: mib(growth),
        goal: `≤ ${mib(MAX_MEMORY_BYTES)}`,
        met: growth <= MAX_MEMORY_BYTES,
        figures: [
          `at its most: ${each('growth')}; after a garbage collection: ${each('left')}`,
          `the same output read by ssh2 and thrown away: ${mib(bare.growth)} at its most`,
        ],
      },
    ];
  } finally {
    await sshd.remove();
  }
}
