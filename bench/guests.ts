import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildEvent } from '../lib/build/types.ts';
import { DOMAIN_TEMPLATE, domainXml } from '../lib/libvirt/domain-xml.ts';
import { guestDisk, stackFolder } from '../test/stack/support.ts';
import { flow, handMade, jobs, make, reaching, row } from '../test/support/lane.ts';
import { type OpenSsh, startOpenSsh } from '../test/support/openssh.ts';
import { type FlowConfig, startRed, type TestRed } from '../test/support/red.ts';
import { until } from '../test/support/until.ts';
import { all, median, type Row, type Settings, seconds } from './measure.ts';

const GOAL = 1.05;
const TWO_GOAL = 1.3;
/** Milliseconds that one build may take. */
const LIMIT = 180_000;
const FIRST = 'the first line';
/** MiB of a guest. */
const MEMORY = 192;
const ADDRESS = '192.168.122.1';

/** The flow with so many guests in a build, whose script says one line. */
function theFlow(guests: string[], sshd: OpenSsh, place: string, image: string): FlowConfig[] {
  return flow(
    make('ssh-host', { name: 'host-a', ...reaching(sshd.target) }),
    make('worker-host', {
      ...{ name: 'host-a', kind: 'libvirt', host: 'ssh-host1', storage: 'btrfs', path: place, uri: '' },
      ...{ domainType: 'qemu', slots: '1', memory: '0', load: '1000', strangers: false },
    }),
    make('vm-image', { name: 'tiny', source: 'directory', path: image, loginUser: 'root' }),
    ...row(
      jobs(),
      ...guests.map((guest) =>
        make('clone-image', { id: `clone-${guest}`, guest, image: 'vm-image1', hosts: ['worker-host1'] }),
      ),
      make('metadata-server', { userData: '' }),
      make('virsh-boot', { memory: String(MEMORY), vcpus: '1', networks: [{ source: 'default', mac: '' }] }),
      make('ssh-exec', { script: `echo '${FIRST}'`, interpreter: '/bin/bash', wires: [['publish-logs1'], ['lines']] }),
      make('publish-logs', { files: [] }),
      make('gerrit-review', { silent: true }),
    ),
    make('debug', { id: 'lines', active: false }),
  );
}

const storyOf = (event: BuildEvent | undefined): string =>
  event?.build?.steps.map(({ name, result, message }) => `${name} ${result} ${message ?? ''}`).join('; ') ??
  'it goes on';

/** Milliseconds from an event that enters ci-jobs to the first line of each guest's script. */
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
    if (ended() || performance.now() - began > LIMIT) throw new Error(`the build said nothing: ${storyOf(ended())}`);
    await sleep(2);
  }
  const took = performance.now() - began;
  await until('the build ends', ended, LIMIT);
  return took;
}

/** The same by a shell script. */
async function openPeer(settings: { dir: string; sshd: OpenSsh; image: string; clones: string }) {
  const { dir, sshd, image, clones } = settings;
  const key = join(dir, 'id');
  await writeFile(key, sshd.target.privateKey, { mode: 0o600 });
  const publicKey = sshd.keygen('guest', '-t', 'ed25519').publicKey;
  const config = join(dir, 'ssh_config');
  await writeFile(
    config,
    `Host *
  BatchMode yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  User root
Host worker
  HostName 127.0.0.1
  Port ${sshd.port}
  IdentityFile ${key}
  ControlMaster auto
  ControlPath ${dir}/control
  ControlPersist 600
Host 192.168.122.*
  IdentityFile ${sshd.dir}/guest
  ProxyJump worker
`,
  );
  const script = join(dir, 'job.sh');
  await writeFile(script, `echo '${FIRST}'\n`);
  const answers: Record<string, string> = {
    '/latest/meta-data/instance-id': 'plain',
    '/latest/meta-data/local-hostname': 'vm',
    '/latest/meta-data/public-keys/': '0=key-0',
    '/latest/meta-data/public-keys/0/openssh-key': publicKey,
  };
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
  const { port } = server.address() as AddressInfo;
  // Its connection to the worker is up, as ours is.
  const warm = spawn('ssh', ['-F', config, 'worker', 'true'], { stdio: 'inherit' });
  if ((await once(warm, 'exit'))[0] !== 0) throw new Error('the peer does not reach the worker');
  let count = 0;
  return {
    async run(): Promise<number> {
      count += 1;
      const name = `plain-${count}`;
      const clone = join(clones, name);
      const mac = `52:54:00:00:01:${count.toString(16).padStart(2, '0')}`;
      const spec = {
        ...{ name: 'vm', domain: name, memory: MEMORY, vcpus: 1, networks: [] },
        owner: { controller: 'bench', build: name, attempt: 1 },
        clone: { name, path: clone, disks: [{ name: 'vda', path: `${clone}/vda.qcow2`, format: 'qcow2' as const }] },
      };
      const facts = {
        type: 'qemu' as const,
        interfaces: [{ mac, private: false, network: 'default' }],
        console: `${clone}/console.log`,
      };
      const xml = join(dir, 'domain.xml');
      await writeFile(xml, domainXml(DOMAIN_TEMPLATE, spec, facts));
      const began = performance.now();
      const argv = [config, image, clone, name, mac, xml, String(port), script];
      const child = spawn(join(import.meta.dirname, 'plain-build.sh'), argv, { stdio: ['pipe', 'pipe', 'inherit'] });
      const late = setTimeout(() => child.kill(), LIMIT);
      const exited = once(child, 'exit');
      let took: number | undefined;
      for await (const line of createInterface(child.stdout)) {
        if (line !== FIRST) continue;
        took = performance.now() - began;
        child.stdin.end('\n');
      }
      const [code] = await exited;
      clearTimeout(late);
      if (code !== 0 || took === undefined) throw new Error(`the plain script ended with ${code}`);
      return took;
    },
    async close(): Promise<void> {
      await once(spawn('ssh', ['-F', config, '-O', 'exit', 'worker'], { stdio: 'ignore' }), 'exit');
      server.close();
    },
  };
}

/** Builds in real guests: against the same by a shell script, and two guests against one. */
export async function benchGuests({ quick, dir, say }: Settings): Promise<Row[]> {
  const rounds = quick ? 1 : 5;
  const sshd = await startOpenSsh();
  const image = join(dir, 'image');
  await mkdir(image);
  await copyFile(guestDisk('tiny'), join(image, 'vda.qcow2'));
  const place = join(stackFolder!, 'ci', 'guests');
  await mkdir(place);
  const red = await startRed();
  try {
    const deploy = (guests: string[]) => red.deploy(theFlow(guests, sshd, place, image));
    await deploy(['vm']);
    say(`guests: a first build, which makes the image; then ${rounds} rounds`);
    await build(red, 1);
    const made = join(place, (await readdir(place)).find((name) => name.startsWith('tiny@'))!);
    const peer = await openPeer({ dir, sshd, image: made, clones: place });
    const took = { one: [] as number[], peer: [] as number[], two: [] as number[] };
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
    const order = ['one', 'peer', 'two'] as const;
    for (let round = 0; round < rounds; round++) {
      for (const what of round % 2 === 0 ? order : order.toReversed()) took[what].push(await work[what]());
    }
    await peer.close();
    const { one, two } = took;
    const ratio = median(one) / median(took.peer);
    const both = median(two) / median(one);
    return [
      {
        what: 'event → first line of the script in a new guest / the same steps by a shell script over SSH',
        value: ratio.toFixed(2),
        goal: `≤ ${GOAL}`,
        met: ratio <= GOAL,
        figures: [
          `ours ${seconds(median(one))} (${all(one, seconds)})`,
          `peer ${seconds(median(took.peer))} (${all(took.peer, seconds)})`,
        ],
      },
      {
        what: 'two guests in a build / one, event → first line of both',
        value: both.toFixed(2),
        goal: `≤ ${TWO_GOAL}`,
        met: both <= TWO_GOAL,
        figures: [
          `two ${seconds(median(two))} (${all(two, seconds)})`,
          `one ${seconds(median(one))} (${all(one, seconds)})`,
        ],
      },
    ];
  } finally {
    await red.close();
    await sshd.remove();
  }
}
