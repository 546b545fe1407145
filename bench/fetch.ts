import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchFiles } from '../lib/logs/fetch/fetch.ts';
import { Files } from '../lib/logs/fetch/files.ts';
import { connectHost } from '../lib/ssh/connect.ts';
import { KnownHosts } from '../lib/ssh/known-hosts.ts';
import { startOpenSsh } from '../test/support/openssh.ts';
import { all, inTurns, median, mib, type Row, type Settings, seconds, timed } from './measure.ts';
import { nativeBinding } from './native.ts';

const FILES = 5000;
const BYTES = { quick: 100_000_000, full: 500_000_000 };
const GOAL = 1.1;

/** Logs as a job leaves them: many small files and a few big ones, in folders. */
async function makeLogs(dir: string, bytes: number): Promise<number> {
  const block = randomBytes(1 << 20);
  const mean = bytes / FILES;
  let written = 0;
  for (let index = 0; index < FILES; index++) {
    const folder = join(dir, `service-${index % 50}`);
    if (index < 50) await mkdir(folder, { recursive: true });
    // From a tenth of the mean to 1.9 times of it.
    const size = Math.round(mean * (0.1 + (1.8 * ((index * 37) % FILES)) / FILES));
    await writeFile(join(folder, `part-${index}.log`), block.subarray(0, size));
    written += size;
  }
  return written;
}

async function countFiles(dir: string): Promise<number> {
  return (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
}

/** Many logs fetched from a guest, here a real sshd, against `ssh guest tar -c | tar -x`; both log in for it. */
export async function benchFetch({ quick, dir, say }: Settings): Promise<Row[]> {
  const rounds = quick ? 2 : 7;
  const native = await nativeBinding();
  const from = join(dir, 'logs');
  const size = await makeLogs(from, quick ? BYTES.quick : BYTES.full);
  say(`fetch: ${FILES} files, ${mib(size)}, ${rounds} rounds; ${native}`);
  const sshd = await startOpenSsh();
  try {
    const { port, target } = sshd;
    const key = join(dir, 'id');
    await writeFile(key, target.privateKey, { mode: 0o600 });
    const to = join(dir, 'fetched');
    /** The time of the work alone: its folder is made before it, looked at and removed after it. */
    const measured = async (work: () => Promise<void>): Promise<number> => {
      await mkdir(to);
      const ms = await timed(work);
      const count = await countFiles(to);
      await rm(to, { recursive: true });
      if (count !== FILES) throw new Error(`${count} of ${FILES} files arrived`);
      return ms;
    };
    const ours = () =>
      measured(async () => {
        const host = await connectHost(target, { knownHosts: new KnownHosts(join(dir, 'known-hosts.json')) });
        const options = { guest: 'vm', signal: new AbortController().signal };
        await fetchFiles(host, [{ remote: from, dir: '' }], new Files(to), options);
        host.close();
      });
    const quiet = ['-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];
    const ssh = ['ssh', ...quiet, '-o', 'LogLevel=ERROR', '-i', key, '-p', String(port), `${target.user}@127.0.0.1`];
    const peer = () =>
      measured(async () => {
        const sending = spawn(ssh[0]!, [...ssh.slice(1), 'tar', '-C', from, '-cf', '-', '.'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const taking = spawn('tar', ['-C', to, '-xf', '-'], { stdio: [sending.stdout, 'inherit', 'inherit'] });
        const ended = [once(sending, 'exit'), once(taking, 'exit')];
        sending.stdout.destroy();
        const codes = (await Promise.all(ended)).map(([code]) => code);
        if (codes.some((code) => code !== 0)) throw new Error(`ssh and tar ended with ${codes.join(' and ')}`);
      });
    await ours();
    await peer();
    const runs = await inTurns(rounds, ours, peer);
    const ratio = median(runs.ours) / median(runs.peer);
    return [
      {
        what: `${FILES} files and ${mib(size)} from a guest into the logs: time / ssh guest tar -c | tar -x`,
        value: ratio.toFixed(2),
        goal: `≤ ${GOAL.toFixed(1)}`,
        met: ratio <= GOAL,
        figures: [
          native,
          `ours ${seconds(median(runs.ours))} (${all(runs.ours, seconds)})`,
          `peer ${seconds(median(runs.peer))} (${all(runs.peer, seconds)})`,
        ],
      },
    ];
  } finally {
    await sshd.remove();
  }
}
