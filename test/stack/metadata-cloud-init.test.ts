import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { whenReady } from '../../lib/guests/ready.ts';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import type { HostStorageOptions } from '../../lib/storage/host-storage.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ListenAt } from '../../lib/worker/types.ts';
import { SEED } from '../support/seed-user-data.ts';
import { type Nginx, startNginx } from './nginx.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';
import {
  bootGuest,
  logIn,
  openWorld,
  prepareGuest,
  processorLevels,
  removeGuest,
  runInGuest,
  type World,
} from './world.ts';
import { openPool, type ZfsPool } from './zfs-pool.ts';

/** The DMI entries of the default domain template, from which cloud-init detects OpenStack. */
const OPENSTACK = /(?: *<entry name='(?:manufacturer|product)'>.*\n)+/;

/** Returns a domain template whose DMI has only this serial number. */
const withSerial = (serial: string): string =>
  DOMAIN_TEMPLATE.replace(OPENSTACK, `      <entry name='serial'>${serial}</entry>\n`);

/** A combination of metadata route, dialect, storage and stock disk. The DMI selects cloud-init's datasource. */
interface Case {
  name: string;
  disk: 'trixie' | 'bookworm';
  storage: HostStorageOptions['kind'];
  /** cloud-init's name for the datasource, or the start of it. */
  source: string;
  /** Third byte of the network's addresses. Each route has its own network, because its rules apply to a bridge. */
  net: number;
  listenAt?: ListenAt;
  template?: string;
}

const CASES: Record<string, Case> = {
  'OpenStack, in the worker’s SSH connection: trixie on a plain directory': {
    name: 'openstack',
    disk: 'trixie',
    storage: 'directory',
    source: 'DataSourceOpenStack',
    net: 122,
  },
  'EC2, at an address of this machine: bookworm on zfs': {
    name: 'ec2',
    disk: 'bookworm',
    storage: 'zfs',
    source: 'DataSourceEc2',
    net: 123,
    listenAt: { address: '192.168.123.1', port: 18775 },
    template: withSerial('{{name}}.brightbox.com'),
  },
  'NoCloud, at 127.0.0.1 behind nginx: trixie on btrfs': {
    name: 'nocloud',
    disk: 'trixie',
    storage: 'btrfs',
    source: 'DataSourceNoCloudNet [seed=dmi,http://169.254.169.254/nocloud/]',
    net: 124,
    listenAt: { address: '127.0.0.1', port: 8080 },
    template: withSerial('ds=nocloud-net;s=http://169.254.169.254/nocloud/'),
  },
};

/** Prints what cloud-init did. */
const LOOK = `cat /run/cloud-init/status.json; echo "id $(cat /var/lib/cloud/data/instance-id)"; hostname; cat /etc/hosts
ls /etc/ssh/ssh_host_*_key; cat /etc/ssh/ssh_host_ed25519_key.pub; echo; cat /root/.ssh/authorized_keys
perl -e '$has = (getpwnam "root")[1]; print "password ", crypt("r00tme", $has) eq $has ? "set" : "not set", "\\n"'
sshd -T 2>/dev/null | grep -i ^passwordauthentication
echo "told $(curl -s -m 5 -H 'X-Real-IP: 192.168.122.1' http://169.254.169.254/latest/meta-data/instance-id)"`;

const sh = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8' });

/** Adds a libvirt network like the sandbox's, with other addresses. */
function addNetwork(net: number): void {
  const own = readFileSync(join(import.meta.dirname, '../../scripts/real-stack/network.xml'), 'utf8');
  const xml = own
    .replace('<name>default<', `<name>net${net}<`)
    .replace("'virbr0'", `'virbr${net}'`)
    .replaceAll('192.168.122.', `192.168.${net}.`);
  const file = join(stackFolder!, `net${net}.xml`);
  writeFileSync(file, xml);
  sh(`virsh -q net-define ${file} && virsh -q net-start net${net}`);
}

inSandbox(import.meta.url, { limitMs: 1_200_000, disks: ['tiny', 'trixie', 'bookworm'] }, () => {
  let world: World;
  let pool: ZfsPool;
  let nginx: Nginx;
  let was: ReturnType<typeof inventory>;
  /** An operator's public key, of the same type as the seed's. */
  let operator: string;
  before(async () => {
    world = await openWorld();
    pool = await openPool(4 * 2 ** 30);
    operator = world.sshd.keygen('ci-key', '-t', 'rsa').publicKey;
    for (const net of [123, 124]) addNetwork(net);
    // The operator's own setup, as the sample describes it.
    sh('ip addr add 169.254.169.254/32 dev virbr124');
    nginx = await startNginx();
    was = inventory();
  });
  after(async () => {
    const is = inventory();
    await nginx.stop();
    await world.close();
    await pool.close();
    assert.deepEqual(is, was, 'nothing is left behind or changed');
  });

  describe('a real cloud-init gets its host key, login keys, name and user-data through', { concurrency: true }, () => {
    for (const [title, { name, disk, storage: kind, source, net, listenAt, template }] of Object.entries(CASES)) {
      test(title, async (t) => {
        const place =
          kind === 'zfs' ? pool.place : mkdtempSync(join(stackFolder!, kind === 'btrfs' ? 'ci/stock-' : 'stock-'));
        const storage = hostStorage({ kind, place, host: world.source });
        const files = mkdtempSync(join(stackFolder!, `${disk}-`));
        copyFileSync(guestDisk(disk), join(files, 'vda.qcow2'));
        const image = { name: disk, key: 'k1', source: { kind: 'directory', path: files }, loginUser: 'root' } as const;
        await storage.make(image, { signal: AbortSignal.timeout(120_000) });
        const worker = world.newWorker({ storage, ...(listenAt ? { id: name, isHere: true } : {}) });
        const here: World = { ...world, worker, image };
        const link = await world.openLink(worker, listenAt);
        const networks = [{ source: net === 122 ? 'default' : `net${net}` }];
        const guest = await prepareGuest(here, {
          build: 'd1',
          name,
          networks,
          userData: SEED,
          authorizedKeys: operator,
        });
        Object.assign(guest.spec, { memory: 1024, vcpus: 1, ...(template ? { template } : {}) });
        const began = performance.now();
        // The login verifies the host key: with any other key it would have been refused and retried.
        let host = await bootGuest(here, guest, 900_000);
        t.diagnostic(`${Math.round(performance.now() - began)} ms from boot to login`);
        const warnings: string[] = [];
        await whenReady(name, host, {
          signal: AbortSignal.timeout(400_000),
          limit: 390_000,
          say: (line) => warnings.push(line),
          logIn: async () => {
            host = await logIn(here, guest);
            return host;
          },
        });
        t.diagnostic(`${Math.round(performance.now() - began)} ms from boot to the end of cloud-init`);
        // cloud-init warns about the seed's `disable_root: 0`, which is not a boolean, and about NoCloud's old name.
        const unexpected = warnings.filter(
          (line) => /^cloud-init: \t- /.test(line) && !/schema validation|'nocloud-net'/.test(line),
        );
        assert.deepEqual(unexpected, [], warnings.join('\n'));
        const { output } = await runInGuest(host, LOOK, 120_000);
        assert.ok(output.includes(`"datasource": "${source}`), output);
        assert.match(output, /"modules-config": \{\s*"errors": \[\],\s*"finished": \d/);
        assert.doesNotMatch(output, /"errors": \[[^\]]/);
        assert.ok(output.includes(`\nid ${guest.domain}\n`), output);
        assert.match(output, new RegExp(`^${name}$`, 'm'));
        assert.match(output, new RegExp(`^127\\.0\\.1\\.1 ${name}`, 'm'));
        assert.ok(output.includes(guest.hostKey.publicKey.split(' ')[1]!), output);
        assert.deepEqual(output.match(/^\/etc\/ssh\/ssh_host_.*$/gm), ['/etc/ssh/ssh_host_ed25519_key']);
        for (const key of [world.key.publicKey, operator]) assert.ok(output.includes(`\n${key}\n`), output);
        assert.match(output, /^password set$/m);
        assert.match(output, /passwordauthentication yes/i);
        if (disk === 'trixie') assert.deepEqual(await processorLevels(host), ['x86-64-v2']);
        // No route trusts a header that the guest itself sends.
        assert.ok(output.endsWith(`told ${guest.domain}\n`), output);
        await removeGuest(here, guest, host);
        await link.close();
        await storage.collect([], { signal: AbortSignal.timeout(180_000) });
      });
    }
  });
});
