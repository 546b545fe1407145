import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { domainXml } from '../lib/libvirt/domain/xml.ts';
import { DOMAIN_TEMPLATE } from '../lib/libvirt/domain-template.ts';
import type { OpenSsh } from '../test/support/openssh.ts';

/** Time limit of one build. */
export const BUILD_TIMEOUT_MS = 400_000;
/** First line that the script of a build prints. */
export const FIRST_LINE = 'the first line';
const ADDRESS = '192.168.122.1';

/** A guest that is measured. */
export interface GuestKind {
  disk: 'tiny' | 'trixie';
  user: string;
  /** MiB. */
  memory: number;
}

/** The peer: a shell script that does what a flow does for a build. */
export interface Peer {
  /** Runs a build. Returns milliseconds until the script's first line. */
  run(): Promise<number>;
  close(): Promise<void>;
}

/** Returns the metadata that a guest asks for, by its path, for EC2 and for OpenStack. */
const metadataOf = (publicKey: string): Record<string, string> => ({
  '/latest/meta-data/instance-id': 'plain',
  '/latest/meta-data/local-hostname': 'vm',
  '/latest/meta-data/public-keys/': '0=key-0',
  '/latest/meta-data/public-keys/0/openssh-key': publicKey,
  '/openstack': 'latest\n',
  '/openstack/': 'latest\n',
  '/openstack/latest/meta_data.json': JSON.stringify({
    uuid: 'plain',
    hostname: 'vm',
    public_keys: { key: publicKey },
  }),
});

/** Prepares builds by a shell script (bench/plain-build.sh). */
export async function openPeer(settings: {
  dir: string;
  sshd: OpenSsh;
  image: string;
  clones: string;
  kind: GuestKind;
}): Promise<Peer> {
  const { dir, sshd, image, clones, kind } = settings;
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
Host worker
  User root
  HostName 127.0.0.1
  Port ${sshd.port}
  IdentityFile ${key}
  ControlMaster auto
  ControlPath ${dir}/control
  ControlPersist 600
Host 192.168.122.*
  User ${kind.user}
  IdentityFile ${sshd.dir}/guest
  ProxyJump worker
`,
  );
  const script = join(dir, 'job.sh');
  await writeFile(script, `echo '${FIRST_LINE}'\n`);
  const answers = metadataOf(publicKey);
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
  const { port } = server.address() as AddressInfo;
  // Its connection to the worker is open, like Recheck's.
  const warm = spawn('ssh', ['-F', config, 'worker', 'true'], { stdio: 'inherit' });
  if ((await once(warm, 'exit'))[0] !== 0) throw new Error('the peer cannot reach the worker');
  let count = 0;
  return {
    async run(): Promise<number> {
      count += 1;
      const name = `plain-${count}`;
      const clone = join(clones, name);
      const mac = `52:54:00:00:01:${count.toString(16).padStart(2, '0')}`;
      const spec = {
        ...{ name: 'vm', domain: name, memory: kind.memory, vcpus: 1, networks: [] },
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
      const late = setTimeout(() => child.kill(), BUILD_TIMEOUT_MS);
      const exited = once(child, 'exit');
      let took: number | undefined;
      for await (const line of createInterface(child.stdout)) {
        if (line !== FIRST_LINE) continue;
        took = performance.now() - began;
        child.stdin.end('\n');
      }
      const [code] = await exited;
      clearTimeout(late);
      if (code !== 0 || took === undefined) throw new Error(`the plain script exited with code ${code}`);
      return took;
    },
    async close(): Promise<void> {
      await once(spawn('ssh', ['-F', config, '-O', 'exit', 'worker'], { stdio: 'ignore' }), 'exit');
      server.close();
    },
  };
}
