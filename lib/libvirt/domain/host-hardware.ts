/** Architectures of guests. */
export type Arch = 'x86_64' | 'aarch64';

/** A version in libvirt's notation: major × 1,000,000 + minor × 1,000 + release. */
export type Version = number;

/** What is known of a worker's machine before a guest is started there. */
export interface HostHardware {
  arch: Arch;
  /** Missing if it could not be read. */
  libvirt?: Version;
  qemu?: Version;
}

/** A UEFI firmware image, and the template of its variables, of which each guest gets a copy. */
export interface Loader {
  code: string;
  vars: string;
}

/** A machine of which nothing is known. */
export const UNKNOWN_HOST: HostHardware = { arch: 'x86_64' };

/** Returns whether a version is at least another; an unknown version counts as new. */
export const atLeast = (version: Version | undefined, major: number, minor: number): boolean =>
  version === undefined || version >= major * 1_000_000 + minor * 1_000;

/**
 * Paths of UEFI firmware without secure boot and its variables' template in Debian and Ubuntu, Fedora and RHEL, Arch,
 * and SUSE.
 */
export const LOADERS: Readonly<Record<Arch, readonly Loader[]>> = {
  x86_64: [
    { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', vars: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
    { code: '/usr/share/OVMF/OVMF_CODE.fd', vars: '/usr/share/OVMF/OVMF_VARS.fd' },
    { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', vars: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
    { code: '/usr/share/edk2/x64/OVMF_CODE.4m.fd', vars: '/usr/share/edk2/x64/OVMF_VARS.4m.fd' },
    { code: '/usr/share/qemu/ovmf-x86_64-code.bin', vars: '/usr/share/qemu/ovmf-x86_64-vars.bin' },
  ],
  aarch64: [
    { code: '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd', vars: '/usr/share/AAVMF/AAVMF_VARS.fd' },
    { code: '/usr/share/AAVMF/AAVMF_CODE.fd', vars: '/usr/share/AAVMF/AAVMF_VARS.fd' },
    { code: '/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw', vars: '/usr/share/edk2/aarch64/vars-template-pflash.raw' },
    { code: '/usr/share/qemu/aavmf-aarch64-code.bin', vars: '/usr/share/qemu/aavmf-aarch64-vars.bin' },
  ],
};

/** Machine type of guests with UEFI, which every distribution's firmware supports. */
export const UEFI_MACHINE: Readonly<Record<Arch, string>> = { x86_64: 'q35', aarch64: 'virt' };

/** Returns the architecture of guests for the output of `uname -m`. */
export const archOf = (machine: string): Arch => (/^(aarch64|arm64)$/.test(machine.trim()) ? 'aarch64' : 'x86_64');

/** Parses the output of read-host.sh; what is missing stays unknown. */
export function parseHost(text: string): HostHardware {
  const [machine = ''] = text.split('\n');
  const libvirt = versionAfter(text, /against daemon: /) ?? versionAfter(text, /Using library: libvirt /);
  const qemu = versionAfter(text, /hypervisor: QEMU /);
  return {
    arch: archOf(machine),
    ...(libvirt === undefined ? {} : { libvirt }),
    ...(qemu === undefined ? {} : { qemu }),
  };
}

/** Returns the version that follows a match in a text. */
export function versionAfter(text: string, before: RegExp): Version | undefined {
  const found = new RegExp(`${before.source}(\\d+)\\.(\\d+)(?:\\.(\\d+))?`).exec(text);
  if (!found) return undefined;
  const [, major, minor, release = '0'] = found;
  return Number(major) * 1_000_000 + Number(minor) * 1_000 + Number(release);
}
