import { noUefi } from '../errors/libvirt-hardware.ts';
import { program } from '../util/program.ts';
import type { GuestSpec } from '../worker/types.ts';
import { type GuestHardware, guestHardware } from './domain/guest-hardware.ts';
import { type Arch, type HostHardware, LOADERS, type Loader, parseHost, UEFI_MACHINE } from './domain/host-hardware.ts';
import { type KvmAnswer, probeKvm } from './kvm/probe.ts';
import type { DomainType } from './types.ts';
import type { Virsh } from './virsh.ts';

const READ_HOST = program(import.meta.url, 'read-host');

const READ_UEFI = program(import.meta.url, 'read-uefi');

/** Returns whether libvirt chooses the firmware itself, according to domcapabilities (formatdomaincaps, since 5.2). */
export const choosesUefi = (capabilities: string): boolean =>
  /<enum name='firmware'>(?:\s*<value>[^<]*<\/value>)*?\s*<value>efi<\/value>/.test(capabilities);

/** The hardware of one worker, read at the first use and again after a guest was refused. */
export class HostInspector {
  readonly #virsh: Virsh;
  #host: HostHardware | undefined;
  #isCurrent = false;
  #uefi: { chosen: boolean; loader?: Loader } | undefined;

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** The hardware as last read. */
  get known(): HostHardware | undefined {
    return this.#host;
  }

  /** Finds out whether guests run under KVM. @throws CiError if it could not be tried */
  async kvm(signal: AbortSignal): Promise<KvmAnswer> {
    const { arch } = await this.host(signal);
    return probeKvm(this.#virsh, signal, arch);
  }

  /**
   * Returns the hardware for a new guest.
   *
   * @param template of its domain: a custom one may boot without UEFI
   * @throws CiError if the worker cannot provide the requested hardware
   */
  async hardwareOf(spec: GuestSpec, type: DomainType, template: string, signal: AbortSignal): Promise<GuestHardware> {
    const hardware = guestHardware(spec, type, await this.host(signal));
    if (!hardware.uefi || !template.includes('uefi')) return hardware;
    const loader = await this.#loader(hardware.arch, signal);
    return loader ? { ...hardware, loader } : hardware;
  }

  /** Returns the worker's hardware. */
  async host(signal: AbortSignal): Promise<HostHardware> {
    if (this.#host && this.#isCurrent) return this.#host;
    const { stdout } = await this.#virsh.askProgram(READ_HOST, [], { signal, what: 'the look at the machine' });
    this.#host = parseHost(stdout);
    this.#isCurrent = true;
    return this.#host;
  }

  /** Reads everything again at the next use, after a guest was refused. */
  forget(): void {
    this.#isCurrent = false;
    this.#uefi = undefined;
  }

  /** Returns the UEFI firmware for a guest; undefined if libvirt chooses it. @throws CiError if there is none */
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
