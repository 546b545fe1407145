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

const FILES_COUNT = 5000;
const BYTES = { quick: 100_000_000, full: 500_000_000 };
const MAX_RATIO = 1.1;

/** Writes logs like those of a job: many small files and a few big ones, in folders. */
async function makeLogs(dir: string, bytes: number): Promise<number> {
  const block = randomBytes(1 << 20);
  const mean = bytes / FILES_COUNT;
  let written = 0;
  for (let index = 0; index < FILES_COUNT; index++) {
    const folder = join(dir, `service-${index % 50}`);
    if (index < 50) await mkdir(folder, { recursive: true });
    // From 0.1 to 1.9 times the mean.
    const size = Math.round(mean * (0.1 + (1.8 * ((index * 37) % FILES_COUNT)) / FILES_COUNT));
    await writeFile(join(folder, `part-${index}.log`), block.subarray(0, size));
    written += size;
  }
  return written;
}

async function countFiles(dir: string): Promise<number> {
  return (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
}

/** Compares fetching many logs from a guest, here a real sshd, with `ssh guest tar -c | tar -x`; both log in first. */
export async function benchFetch({ quick, dir, say }: Settings): Promise<Row[]> {
  const rounds = quick ? 2 : 7;
  const native = await nativeBinding();
  const from = join(dir, 'logs');
  const size = await makeLogs(from, quick ? BYTES.quick : BYTES.full);
  say(`fetch: ${FILES_COUNT} files, ${mib(size)}, ${rounds} rounds; ${native}`);
  const sshd = await startOpenSsh();
  try {
    const { port, target } = sshd;
    const key = join(dir, 'id');
    await writeFile(key, target.privateKey, { mode: 0o600 });
    const to = join(dir, 'fetched');
    /** Measures the work alone: its folder is created before, checked and removed after. */
    const measured = async (work: () => Promise<void>): Promise<number> => {
      await mkdir(to);
      const ms = await timed(work);
      const count = await countFiles(to);
      await rm(to, { recursive: true });
      if (count !== FILES_COUNT) throw new Error(`${count} of ${FILES_COUNT} files arrived`);
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
        if (codes.some((code) => code !== 0)) throw new Error(`ssh and tar exited with codes ${codes.join(' and ')}`);
      });
    await ours();
    await peer();
    const runs = await inTurns(rounds, ours, peer);
    const ratio = median(runs.ours) / median(runs.peer);
    return [
      {
        what: `${FILES_COUNT} files and ${mib(size)} from a guest into the logs: time / ssh guest tar -c | tar -x`,
        value: ratio.toFixed(2),
        goal: `≤ ${MAX_RATIO.toFixed(1)}`,
        met: ratio <= MAX_RATIO,
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
