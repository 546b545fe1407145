import { noUefi } from '../errors/hardware.ts';
import type { Virsh } from './virsh.ts';

/** Architectures that guests are made for. */
export type Arch = 'x86_64' | 'aarch64';

/** A version as libvirt counts them: major × 1,000,000 + minor × 1,000 + release. */
export type Version = number;

/** What is known of a worker's machine before a guest is started there. */
export interface HostHardware {
  arch: Arch;
  /** Missing if it could not be read. */
  libvirt?: Version;
  qemu?: Version;
}

/** A UEFI firmware image, and the template of the variables that each guest has a copy of. */
export interface Loader {
  code: string;
  vars: string;
}

/** A machine of which nothing could be found out. */
export const UNKNOWN_HOST: HostHardware = { arch: 'x86_64' };

/** Whether a version is that one or newer; an unknown one is taken for a new one. */
export const atLeast = (version: Version | undefined, major: number, minor: number): boolean =>
  version === undefined || version >= major * 1_000_000 + minor * 1_000;

/** Prints the machine's architecture, and the versions of the running libvirt and of QEMU. $1: libvirt's URI. */
const READ_HOST = `
uname -m
virsh -q -c "$1" version --daemon
`;

/**
 * Where distributions install UEFI for guests, without secure boot: firmware and template of its variables. Debian,
 * Ubuntu; Fedora, RHEL; Arch; SUSE.
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

/** The machine type of guests with UEFI: what every distribution's firmware is made for. */
export const UEFI_MACHINE: Readonly<Record<Arch, string>> = { x86_64: 'q35', aarch64: 'virt' };

/**
 * Prints what libvirt can do with such a machine, then the first pair of files that is there, with a tab between.
 * $1: libvirt's URI; $2: architecture; $3: machine; then the pairs.
 */
const READ_UEFI = `
virsh -q -c "$1" domcapabilities --arch "$2" --machine "$3"
shift 3
while [ "$#" -ge 2 ]; do
  if [ -e "$1" ] && [ -e "$2" ]; then
    printf 'loader\\t%s\\t%s\\n' "$1" "$2"
    break
  fi
  shift 2
done
exit 0
`;

/** Whether libvirt chooses the firmware itself, as its answer to domcapabilities tells (formatdomaincaps, since 5.2). */
export const choosesUefi = (capabilities: string): boolean =>
  /<enum name='firmware'>(?:\s*<value>[^<]*<\/value>)*?\s*<value>efi<\/value>/.test(capabilities);

/** The architecture of guests by `uname -m`: the host's own, if guests are made for it. */
export const archOf = (machine: string): Arch => (/^(aarch64|arm64)$/.test(machine.trim()) ? 'aarch64' : 'x86_64');

/** Reads what READ_HOST printed; what is not there stays unknown. */
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

/** The version that follows in such a text. */
export function versionAfter(text: string, before: RegExp): Version | undefined {
  const found = new RegExp(`${before.source}(\\d+)\\.(\\d+)(?:\\.(\\d+))?`).exec(text);
  if (!found) return undefined;
  const [, major, minor, release = '0'] = found;
  return Number(major) * 1_000_000 + Number(minor) * 1_000 + Number(release);
}

/** The hardware of one worker: read when it is first asked for, and again after a guest was refused. */
export class HostInspector {
  readonly #virsh: Virsh;
  #host: HostHardware | undefined;
  #isCurrent = false;
  #uefi: { chosen: boolean; loader?: Loader } | undefined;

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** What was read last. */
  get known(): HostHardware | undefined {
    return this.#host;
  }

  async host(signal: AbortSignal): Promise<HostHardware> {
    if (this.#host && this.#isCurrent) return this.#host;
    const { stdout } = await this.#virsh.askProgram(READ_HOST, [], { signal, what: 'the look at the machine' });
    this.#host = parseHost(stdout);
    this.#isCurrent = true;
    return this.#host;
  }

  /**
   * The UEFI firmware for a guest; undefined if libvirt chooses it itself.
   *
   * @throws CiError if there is none
   */
  async loader(arch: Arch, signal: AbortSignal): Promise<Loader | undefined> {
    this.#uefi ??= await this.#readUefi(arch, signal);
    const { chosen, loader } = this.#uefi;
    if (!chosen && !loader) {
      this.#uefi = undefined;
      throw noUefi(this.#virsh.label, arch);
    }
    return chosen ? undefined : loader;
  }

  /** What was read is read again when it is next asked for: a guest was refused. */
  forget(): void {
    this.#isCurrent = false;
    this.#uefi = undefined;
  }

  async #readUefi(arch: Arch, signal: AbortSignal): Promise<{ chosen: boolean; loader?: Loader }> {
    const files = LOADERS[arch].flatMap(({ code, vars }) => [code, vars]);
    const { stdout } = await this.#virsh.askProgram(READ_UEFI, [arch, UEFI_MACHINE[arch], ...files], {
      signal,
      what: 'the look for UEFI firmware',
    });
    const [, code, vars] = /^loader\t(.*)\t(.*)$/m.exec(stdout) ?? [];
    return { chosen: choosesUefi(stdout), ...(code && vars ? { loader: { code, vars } } : {}) };
  }
}
