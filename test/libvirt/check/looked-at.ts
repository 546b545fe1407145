import { type CheckSettings, checkHost } from '../../../lib/libvirt/check.ts';
import { OWNER_NAMESPACE } from '../../../lib/libvirt/owner.ts';
import { scriptedHost } from '../scripted-host.ts';

/** "Check this host" on a worker with scripted facts. */
export const signal = AbortSignal.timeout(20_000);

/** A complete Debian worker. */
export const GOOD = `user root
system Debian GNU/Linux 12 (bookworm)
command virsh 9.0.0
command qemu-img qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)
command curl curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.19
command iptables iptables v1.8.9 (nf_tables)
command ip ip utility, iproute2-6.1.0, libbpf 1.1.2
command awk 
command btrfs btrfs-progs v6.2
libvirt Compiled against library: libvirt 9.0.0 Using library: libvirt 9.0.0 Using API: QEMU 9.0.0 Running hypervisor: QEMU 7.2.22
network active default
emulator /usr/bin/qemu-system-x86_64
qemu-user 
bridge virbr0
place root /ci/recheck
place kind btrfs
place free 262144 2621440 4096
place reflink yes
capacity MemAvailable:   8388608 kB
capacity 0.52 1.00 0.50 1/200 4242
`;
export const SETTINGS: CheckSettings = {
  controller: 'c1c1c1c1c1c1',
  uri: 'qemu:///system',
  type: 'qemu',
  storage: { kind: 'btrfs', place: '/ci/recheck' },
  limits: { memory: 1024, load: 4 },
  remote: false,
};

/** Returns the checks, one line each: `mark subject: detail | fix`. */
export async function look(
  facts: string,
  settings: Partial<CheckSettings> = {},
  kvm = 'recheck: alive',
  guests = '',
): Promise<string[]> {
  const host = scriptedHost((argv) => {
    const text = argv.join(' ');
    if (text.includes('domcapabilities --virttype kvm')) return { stdout: '<path>/usr/bin/qemu-system-x86_64</path>' };
    if (text.includes(OWNER_NAMESPACE)) return { stdout: guests };
    return { stdout: text.includes('accel=kvm') ? kvm : facts };
  });
  const checks = await checkHost(host, { ...SETTINGS, ...settings }, signal);
  return checks.map(({ what, ok, detail, fix }) => `${ok ? '+' : '-'} ${what}: ${detail}${fix ? ` | ${fix}` : ''}`);
}

/** Returns the same facts with lines removed (by their beginning) and added. */
export const but = (without: string[], ...more: string[]): string =>
  [...GOOD.split('\n').filter((line) => !without.some((start) => line.startsWith(start))), ...more, ''].join('\n');

/** Returns the lines about a subject. */
export const of = (lines: string[], what: string): string =>
  lines.filter((line) => line.slice(2).startsWith(`${what}:`)).join('\n');
