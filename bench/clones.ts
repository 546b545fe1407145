import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { connectHost } from '../lib/ssh/connect.ts';
import { KnownHosts } from '../lib/ssh/known-hosts.ts';
import type { Host } from '../lib/ssh/types.ts';
import { hostStorage } from '../lib/storage/host-storage.ts';
import { program } from '../lib/util/program.ts';
import type { ImageSpec } from '../lib/worker/types.ts';
import { stackFolder } from '../test/stack/support.ts';
import { startOpenSsh } from '../test/support/openssh.ts';
import { waitFor } from '../test/support/wait.ts';
import { all, median, mib, type Row, type Settings, timed } from './measure.ts';

/** Clones of one image whose disk space is measured. */
const CLONES_COUNT = 20;

/** Size of a disk in bytes, and of the data spread over it in MiB. */
const SIZES = { small: { disk: 10e6, data: 8 }, big: { disk: 10e9, data: 100 } };

const ms = (value: number): string => `${value.toFixed(1)} ms`;
const owner = { controller: 'bench', build: 'bench', attempt: 1 };
const within = () => ({ signal: AbortSignal.timeout(300_000) });

const MAKE_DISK = program(import.meta.url, 'make-disk');

/** A storage that is measured. */
interface Subject {
  kind: 'btrfs' | 'zfs';
  place: string;
  /** Commands that clone without Recheck, and undo it. */
  bare(image: ImageSpec, name: string): { clone: string[]; remove: string[] };
  /** Returns the bytes in use, after all writes have reached the disk. */
  used(): Promise<number>;
}

/** Creates a sparse disk with data all over it, like that of an installed system. */
async function makeSource(host: Host, folder: string, { disk, data }: { disk: number; data: number }): Promise<void> {
  await sh(host, MAKE_DISK, folder, String(disk), String(data));
}

/** Runs a shell program on the host and returns its output. */
async function sh(host: Host, text: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run(['sh', '-euc', text, 'sh', ...args], { timeout: 300_000 });
  if (code !== 0) throw new Error(`${text}: ${code} ${stderr}`);
  return stdout.trim();
}

async function benchKind(host: Host, subject: Subject, { quick, dir, say }: Settings): Promise<Row[]> {
  const { kind, place } = subject;
  const rounds = quick ? 5 : 40;
  const storage = hostStorage({ kind, place, host: async () => host });
  const images = {} as Record<'small' | 'big', ImageSpec>;
  for (const size of ['small', 'big'] as const) {
    say(`clones on ${kind}: creating the ${size} image`);
    const path = join(dir, `${kind}-${size}`);
    await makeSource(host, path, SIZES[size]);
    images[size] = { name: size, key: 'k', source: { kind: 'directory', path }, loginUser: 'root' };
    await storage.make(images[size], within());
    await rm(path, { recursive: true });
  }
  say(`clones on ${kind}: ${rounds} rounds`);
  const took = { small: [] as number[], big: [] as number[], bare: [] as number[], trip: [] as number[] };
  const run = async (argv: string[]): Promise<void> => {
    const { code, stderr } = await host.run(argv);
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  };
  for (let round = 0; round <= rounds; round++) {
    const clone = async (size: 'small' | 'big') => {
      const time = await timed(() => storage.clone(images[size], `c-${size}`, owner, within()));
      await storage.remove(`c-${size}`, within());
      return time;
    };
    const bare = async () => {
      const commands = subject.bare(images.big, 'c-bare');
      const time = await timed(() => run(commands.clone));
      await run(commands.remove);
      return time;
    };
    const found = { small: 0, big: 0, bare: 0, trip: 0 };
    const work = { small: () => clone('small'), big: () => clone('big'), bare, trip: () => timed(() => run(['true'])) };
    const order = ['small', 'big', 'bare', 'trip'] as const;
    for (const what of round % 2 === 0 ? order : order.toReversed()) found[what] = await work[what]();
    // The first round warms up.
    if (round > 0) for (const what of order) took[what].push(found[what]);
  }
  const before = await subject.used();
  const empty = before - SIZES.small.data * 2 ** 20;
  for (let n = 0; n < CLONES_COUNT; n++) await storage.clone(images.big, `many-${n}`, owner, within());
  const after = await subject.used();
  for (let n = 0; n < CLONES_COUNT; n++) await storage.remove(`many-${n}`, within());
  const [small, big, bare, trip] = [took.small, took.big, took.bare, took.trip].map(median) as [
    number,
    number,
    number,
    number,
  ];
  const trips = (big - bare) / trip;
  const growth = big / small;
  const space = after / before;
  return [
    {
      what: `${kind}: clone of a 10 GB image / of a 10 MB one`,
      value: growth.toFixed(2),
      goal: '1.0',
      met: growth < 1.05,
      figures: [`10 GB ${ms(big)} (${all(took.big, ms)})`, `10 MB ${ms(small)} (${all(took.small, ms)})`],
    },
    {
      what: `${kind}: clone over the bare command by the same connection, in round trips of a command`,
      value: trips.toFixed(2),
      goal: '≤ 1',
      met: trips <= 1,
      figures: [
        `clone ${ms(big)}; ${subject
          .bare(images.big, 'NAME')
          .clone.slice(0, 3)
          .map((word) => basename(word))
          .join(' ')} ${ms(bare)} (${all(took.bare, ms)})`,
        `a round trip (true) ${ms(trip)} (${all(took.trip, ms)})`,
      ],
    },
    {
      what: `${kind}: disk space of an image and ${CLONES_COUNT} clones of it / of the image`,
      value: space.toFixed(3),
      figures: [
        `before ${mib(before)} (other images and the file system's own: ${mib(Math.max(0, empty - SIZES.big.data * 2 ** 20))}), after ${mib(after)}`,
      ],
    },
  ];
}

/** Starts zfs-fuse with a pool of its own. */
async function openPool(dir: string): Promise<{ root: string; close(): Promise<void> }> {
  await mkdir('/run/zfs', { recursive: true });
  await mkdir('/run/lock/zfs', { recursive: true });
  const daemon = spawn('zfs-fuse', ['-n'], { stdio: 'ignore' });
  const run = async (...argv: string[]): Promise<boolean> => {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: 'ignore' });
    return new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)));
  };
  await waitFor('zfs-fuse answers', () => run('zpool', 'list'));
  const disk = join(dir, 'zfs.img');
  // Outside of the sandbox's own folder, which is removed as one file system.
  const root = '/run/bench-zfs';
  await writeFile(disk, '');
  await run('truncate', '-s', '12G', disk);
  if (!(await run('zpool', 'create', '-m', root, 'benchpool', disk))) throw new Error('zpool create failed');
  return {
    root,
    async close() {
      await waitFor('the pool is gone', () => run('zpool', 'destroy', '-f', 'benchpool'));
      const ended = once(daemon, 'exit');
      daemon.kill();
      await ended;
    },
  };
}

/** Measures clones on btrfs and zfs through a real sshd. */
export async function benchClones(settings: Settings): Promise<Row[]> {
  const { dir } = settings;
  const sshd = await startOpenSsh();
  const host = await connectHost(sshd.target, { knownHosts: new KnownHosts(join(sshd.dir, 'workers.json')) });
  const pool = await openPool(dir);
  try {
    const place = join(stackFolder!, 'ci', 'bench');
    await mkdir(place);
    const btrfs: Subject = {
      kind: 'btrfs',
      place,
      bare: (image, name) => ({
        clone: ['btrfs', 'subvolume', 'snapshot', `${place}/${image.name}@${image.key}`, `${place}/${name}`],
        remove: ['btrfs', 'subvolume', 'delete', `${place}/${name}`],
      }),
      used: async () => {
        const text = await sh(host, 'btrfs filesystem sync "$1"; btrfs filesystem usage -b "$1"', place);
        return Number(/^\s*Used:\s*(\d+)/m.exec(text)?.[1]);
      },
    };
    const zfs: Subject = {
      kind: 'zfs',
      place: 'benchpool',
      bare: (image, name) => ({
        clone: ['zfs', 'clone', `benchpool/${image.name}:${image.key}@ready`, `benchpool/${name}`],
        remove: ['sh', '-c', 'until zfs destroy "$1" 2>/dev/null; do sleep 0.1; done', 'sh', `benchpool/${name}`],
      }),
      used: async () => {
        // A snapshot waits until all earlier writes are on the disk.
        await sh(host, 'sync; zfs snapshot benchpool@now; zfs destroy benchpool@now');
        return Number(await sh(host, 'zfs get -Hp -o value used benchpool'));
      },
    };
    const rows = [...(await benchKind(host, btrfs, settings)), ...(await benchKind(host, zfs, settings))];
    if ((await readdir(pool.root)).length === 0) throw new Error('the zfs pool is empty: zfs was not measured');
    return rows;
  } finally {
    host.close();
    await pool.close();
    await sshd.remove();
  }
}
