import { copyFile, mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildEvent } from '../lib/builds/types.ts';
import { guestDisk, stackFolder } from '../test/stack/support.ts';
import { handMade } from '../test/support/build-runs.ts';
import { flow, jobs, make, reaching, row } from '../test/support/flow-builder.ts';
import { type OpenSsh, startOpenSsh } from '../test/support/openssh.ts';
import { type FlowConfig, startRed, type TestRed } from '../test/support/red.ts';
import { waitFor } from '../test/support/wait.ts';
import { all, median, type Row, type Settings, seconds } from './measure.ts';
import { BUILD_TIMEOUT_MS, FIRST_LINE, type GuestKind, openPeer } from './plain-peer.ts';

const MAX_RATIO = 1.05;
const MAX_TWO_GUESTS_RATIO = 1.3;
const TINY: GuestKind = { disk: 'tiny', user: 'root', memory: 192 };
const TRIXIE: GuestKind = { disk: 'trixie', user: 'debian', memory: 1024 };

/** Returns a flow whose builds have these guests and a script that prints one line. */
function guestFlow(kind: GuestKind, guests: string[], sshd: OpenSsh, place: string, image: string): FlowConfig[] {
  return flow(
    make('ssh-host', { name: 'host-a', ...reaching(sshd.target) }),
    make('worker-host', {
      ...{ name: 'host-a', kind: 'libvirt', host: 'ssh-host1', storage: 'btrfs', path: place, uri: '' },
      ...{ domainType: 'qemu', slots: '1', memory: '0', load: '1000', strangers: false },
    }),
    make('vm-image', { name: kind.disk, source: 'directory', path: image, loginUser: kind.user }),
    ...row(
      jobs(),
      ...guests.map((guest) =>
        make('clone-image', { id: `clone-${guest}`, guest, image: 'vm-image1', hosts: ['worker-host1'] }),
      ),
      make('metadata-server', { userData: '' }),
      make('virsh-boot', {
        ...{ memory: String(kind.memory), vcpus: '1', networks: [{ source: 'default', mac: '' }] },
        timeout: String(BUILD_TIMEOUT_MS / 1000),
      }),
      make('ssh-exec', {
        script: `echo '${FIRST_LINE}'`,
        interpreter: '/bin/bash',
        wires: [['publish-logs1'], ['lines']],
      }),
      make('publish-logs', { files: [] }),
      make('gerrit-review', { silent: true }),
    ),
    make('debug', { id: 'lines', active: false }),
  );
}

const storyOf = (event: BuildEvent | undefined): string =>
  event?.build?.steps.map(({ name, result, message }) => `${name} ${result} ${message ?? ''}`).join('; ') ??
  'it is still running';

/** Runs a build. Returns milliseconds from the event at ci-jobs to the first line of each guest's script. */
async function build(red: TestRed, guests: number): Promise<number> {
  const message = handMade();
  const label = `${(message.change as unknown as { number: number }).number},1`;
  const before = red.received('lines').length;
  const ended = () => red.events.find((event) => event.kind === 'build-ended' && event.label === label);
  const began = performance.now();
  red.send('ci-jobs1', message);
  for (;;) {
    const said = red.received('lines').slice(before);
    if (said.length >= guests) break;
    if (ended() || performance.now() - began > BUILD_TIMEOUT_MS)
      throw new Error(`the build printed nothing: ${storyOf(ended())}`);
    await sleep(2);
  }
  const took = performance.now() - began;
  await waitFor('the build ends', ended, BUILD_TIMEOUT_MS);
  return took;
}

/** What is measured in turns: a build with one guest, with two guests, and the peer. */
type Turn = 'one' | 'peer' | 'two';

/** Measures builds in real guests of a kind, in turns with the peer. Returns milliseconds of each turn. */
async function measure(
  kind: GuestKind,
  turns: readonly Turn[],
  rounds: number,
  { dir, say }: Settings,
): Promise<Record<Turn, number[]>> {
  const sshd = await startOpenSsh();
  const image = await mkdtemp(join(dir, 'image-'));
  await copyFile(guestDisk(kind.disk), join(image, 'vda.qcow2'));
  const place = join(stackFolder!, 'ci', `guests-${kind.disk}`);
  await mkdir(place);
  const red = await startRed();
  try {
    const deploy = (guests: string[]) => red.deploy(guestFlow(kind, guests, sshd, place, image));
    await deploy(['vm']);
    say(`guests: a first build on ${kind.disk}, which creates the image; then ${rounds} rounds`);
    await build(red, 1);
    const made = join(place, (await readdir(place)).find((name) => name.startsWith(`${kind.disk}@`))!);
    const peer = await openPeer({ dir, sshd, image: made, clones: place, kind });
    const took: Record<Turn, number[]> = { one: [], peer: [], two: [] };
    const work = {
      one: async () => {
        await deploy(['vm']);
        return build(red, 1);
      },
      peer: () => peer.run(),
      two: async () => {
        await deploy(['master', 'slave']);
        return build(red, 2);
      },
    };
    for (let round = 0; round < rounds; round++) {
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) took[turn].push(await work[turn]());
    }
    await peer.close();
    return took;
  } finally {
    await red.close();
    await sshd.remove();
  }
}

function againstPeer(what: string, { one, peer }: Record<Turn, number[]>): Row {
  const ratio = median(one) / median(peer);
  return {
    what,
    value: ratio.toFixed(2),
    goal: `≤ ${MAX_RATIO}`,
    met: ratio <= MAX_RATIO,
    figures: [
      `ours ${seconds(median(one))} (${all(one, seconds)})`,
      `peer ${seconds(median(peer))} (${all(peer, seconds)})`,
    ],
  };
}

/** Compares builds in tiny guests with a shell script, and builds with two guests and with one. */
export async function benchGuests(settings: Settings): Promise<Row[]> {
  const took = await measure(TINY, ['one', 'peer', 'two'], settings.quick ? 1 : 5, settings);
  const { one, two } = took;
  const both = median(two) / median(one);
  return [
    againstPeer('event → first line of the script in a new guest / the same steps by a shell script over SSH', took),
    {
      what: 'two guests in a build / one, event → first line of both',
      value: both.toFixed(2),
      goal: `≤ ${MAX_TWO_GUESTS_RATIO}`,
      met: both <= MAX_TWO_GUESTS_RATIO,
      figures: [
        `two ${seconds(median(two))} (${all(two, seconds)})`,
        `one ${seconds(median(one))} (${all(one, seconds)})`,
      ],
    },
  ];
}

/** Compares builds in stock guests of Debian 13, which wait for cloud-init, with a shell script that does the same. */
export async function benchTrixie(settings: Settings): Promise<Row[]> {
  const took = await measure(TRIXIE, ['one', 'peer'], settings.quick ? 1 : 2, settings);
  const what =
    'event → first line of the script in a new guest of Debian 13, its cloud-init done / the same by a shell script';
  return [againstPeer(what, took)];
}
