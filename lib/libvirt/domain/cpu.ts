import { cpuNeedsKvm, cpuNotForArch, cpuTooNew } from '../../errors/libvirt-hardware.ts';
import type { DomainType } from '../types.ts';
import { atLeast, type HostHardware } from './host-hardware.ts';

/** A domain's `<cpu>` element, for the domain template. Each property is set; empty if it does not apply. */
export interface CpuElement {
  /** libvirt's mode: host-passthrough, host-model, maximum, or custom. */
  mode: string;
  /** With `none`, QEMU drops features that it cannot emulate; otherwise libvirt rejects the model. */
  check: '' | 'none';
  model: string;
  /** Features added to the model, in libvirt's names. */
  features: string[];
}

/** Features of each level beyond the previous one (x86-64 psABI, table 3.1), in libvirt's names. */
const V2 = ['cx16', 'lahf_lm', 'popcnt', 'ssse3', 'sse4.1', 'sse4.2'];
/** Linux 6.12 hangs early under QEMU 7.2 on a processor that has xsave without xsaveopt. */
const V3 = [...V2, 'abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave', 'xsaveopt'];
const LEVELS: Readonly<Record<string, readonly string[]>> = { 'x86-64-v1': [], 'x86-64-v2': V2, 'x86-64-v3': V3 };

/** libvirt's modes by the names that settings use. */
const MODES: Readonly<Record<string, string>> = {
  host: 'host-passthrough',
  'host-passthrough': 'host-passthrough',
  'host-model': 'host-model',
  max: 'maximum',
  maximum: 'maximum',
};

/**
 * The default under emulation. QEMU's defaults, qemu64 and cortex-a15, are older than what distributions are built for.
 * qemu64 with more features boots as fast as without; Intel models make Linux isolate its page tables, which takes a
 * third longer; max and EPYC take a tenth longer (booting trixie on QEMU 7.2).
 */
const EMULATED = { x86_64: 'x86-64-v2', aarch64: 'cortex-a57' } as const;

const custom = (model: string, features: readonly string[] = [], check: CpuElement['check'] = 'none'): CpuElement => ({
  mode: 'custom',
  check,
  model,
  features: [...features],
});

const byMode = (mode: string): CpuElement => ({ mode, check: '', model: '', features: [] });

/**
 * Returns the processor of a guest. A level such as x86-64-v2 is a minimum: under KVM the guest gets the host's
 * processor, which may have more.
 *
 * @param cpu as set; empty for the worker's choice
 * @throws CiError if the worker cannot provide such a processor
 */
export function cpuFor(domain: string, cpu: string, type: DomainType, host: HostHardware): CpuElement {
  const emulated = type === 'qemu';
  const name = cpu.toLowerCase();
  if (cpu === '') return emulated ? cpuFor(domain, EMULATED[host.arch], type, host) : byMode('host-passthrough');
  const mode = MODES[name];
  if (mode === 'host-passthrough' && emulated) throw cpuNeedsKvm(domain, cpu);
  if (mode !== undefined) return byMode(mode);
  if (!/^x86-64-v\d$/.test(name)) return custom(cpu, [], emulated ? 'none' : '');
  if (host.arch !== 'x86_64') throw cpuNotForArch(domain, cpu, host.arch);
  if (!emulated) return byMode('host-passthrough');
  const features = LEVELS[name];
  if (!features) throw cpuNeedsKvm(domain, cpu);
  // TCG emulates AVX and AVX2 since QEMU 7.2.
  if (features === V3 && !atLeast(host.qemu, 7, 2)) throw cpuTooNew(domain, cpu, '7.2');
  return custom('qemu64', features);
}
