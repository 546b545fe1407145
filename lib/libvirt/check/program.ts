import { program } from '../../util/program.ts';
import { type Arch, LOADERS, UEFI_MACHINE } from '../domain/host-hardware.ts';

/** Programs that a worker needs, with their packages in Debian and Ubuntu. */
export const PACKAGES: Readonly<Record<string, string>> = {
  virsh: 'libvirt-clients libvirt-daemon-system',
  'qemu-img': 'qemu-utils',
  curl: 'curl',
  iptables: 'iptables',
  ip: 'iproute2',
  bridge: 'iproute2',
  btrfs: 'btrfs-progs',
  zfs: 'zfsutils-linux',
  awk: 'mawk',
  sha256sum: 'coreutils',
  base64: 'coreutils',
  timeout: 'coreutils',
  setsid: 'util-linux',
  flock: 'util-linux',
  dhcp_release: 'dnsmasq-utils',
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
};

/** Programs that guests can run without, and the consequence. */
export const DISPENSABLE: Readonly<Record<string, string>> = {
  dhcp_release: 'leases of removed guests last for an hour, and many guests use up a network’s addresses',
  xz: 'images published as .xz cannot be unpacked',
  zstd: 'images published as .zst cannot be unpacked',
  bzip2: 'images published as .bz2 cannot be unpacked',
};

const firmware = (arch: Arch): string => [UEFI_MACHINE[arch], ...LOADERS[arch].map(({ code }) => code)].join(' ');

/** The machine type and the firmware files of each architecture, as arguments of LOOK. */
export const FIRMWARE: readonly string[] = [firmware('x86_64'), firmware('aarch64')];

/** Prints the facts about a worker; the file lists them. */
export const LOOK = program(import.meta.url, 'look');

/** Returns the facts of a name: the rest of each line that begins with it. */
export type Facts = (name: string) => string[];

/** Parses the output of LOOK. */
export function readFacts(text: string): Facts {
  const facts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [name = '', ...rest] = line.split(' ');
    facts.set(name, [...(facts.get(name) ?? []), rest.join(' ').trim()]);
  }
  return (name) => facts.get(name) ?? [];
}
