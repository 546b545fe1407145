import { noUefi } from '../errors/libvirt-hardware.ts';
import type { GuestSpec } from '../worker/types.ts';
import { type GuestHardware, guestHardware } from './domain/guest-hardware.ts';
import { type Arch, type HostHardware, LOADERS, type Loader, parseHost, UEFI_MACHINE } from './domain/host-hardware.ts';
import { type KvmAnswer, probeKvm } from './kvm/probe.ts';
import type { DomainType } from './types.ts';
import type { Virsh } from './virsh.ts';

/** Prints the machine's architecture, and the versions of the running libvirt and of QEMU. $1: libvirt's URI. */
const READ_HOST = `
uname -m
virsh -q -c "$1" version --daemon
`;

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

  /** Finds out whether guests run under KVM there. @throws CiError if it could not be tried */
  async kvm(signal: AbortSignal): Promise<KvmAnswer> {
    const { arch } = await this.host(signal);
    return probeKvm(this.#virsh, signal, arch);
  }

  /**
   * The hardware of a guest that is to be started there.
   *
   * @param template of its domain: one of the user's own may boot as it likes
   * @throws CiError if the worker cannot give a guest what it asks for
   */
  async hardwareOf(spec: GuestSpec, type: DomainType, template: string, signal: AbortSignal): Promise<GuestHardware> {
    const hardware = guestHardware(spec, type, await this.host(signal));
    if (!hardware.uefi || !template.includes('uefi')) return hardware;
    const loader = await this.#loader(hardware.arch, signal);
    return loader ? { ...hardware, loader } : hardware;
  }

  async host(signal: AbortSignal): Promise<HostHardware> {
    if (this.#host && this.#isCurrent) return this.#host;
    const { stdout } = await this.#virsh.askProgram(READ_HOST, [], { signal, what: 'the look at the machine' });
    this.#host = parseHost(stdout);
    this.#isCurrent = true;
    return this.#host;
  }

  /** What was read is read again when it is next asked for: a guest was refused. */
  forget(): void {
    this.#isCurrent = false;
    this.#uefi = undefined;
  }

  /** The UEFI firmware for a guest; undefined if libvirt chooses it itself. @throws CiError if there is none */
  async #loader(arch: Arch, signal: AbortSignal): Promise<Loader | undefined> {
    this.#uefi ??= await this.#readUefi(arch, signal);
    const { chosen, loader } = this.#uefi;
    if (!chosen && !loader) {
      this.#uefi = undefined;
      throw noUefi(this.#virsh.label, arch);
    }
    return chosen ? undefined : loader;
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
