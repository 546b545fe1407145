import { messageOf } from '../../errors/ci-error.ts';
import type { Host } from '../../ssh/types.ts';
import { archOf } from '../domain/host-hardware.ts';
import { probeKvm } from '../kvm/probe.ts';
import { listOwners } from '../owner.ts';
import { Virsh } from '../virsh.ts';
import { checkProcessor } from './hardware.ts';
import type { Check } from './item.ts';
import { install } from './machine.ts';
import type { Facts } from './program.ts';
import type { CheckSettings } from './settings.ts';

/** Checks how guests run: under KVM, which is tried with a guest, or emulated; and their processor. */
export async function checkGuests(
  host: Host,
  facts: Facts,
  settings: CheckSettings,
  signal: AbortSignal,
): Promise<Check[]> {
  const { uri, type, answers } = settings;
  if (facts('libvirt').length === 0) return [];
  const arch = archOf(facts('arch')[0] ?? '');
  if (!facts('emulator')[0]) {
    const detail = `libvirt has no QEMU for ${arch}.`;
    const fix = install(arch === 'aarch64' ? 'qemu-system-arm' : 'qemu-system-x86');
    return [{ what: 'guests', ok: false, detail, fix }];
  }
  if (type === 'qemu') {
    const detail = 'emulated by QEMU, as set by the domain type';
    return [{ what: 'guests', ok: true, detail }, ...checkProcessor(facts, false)];
  }
  const proved = type === 'auto' ? answers?.get() : undefined;
  if (proved?.isProved) {
    const detail = `emulated by QEMU for a day: ${proved.why}`;
    return [{ what: 'guests', ok: true, detail }, ...checkProcessor(facts, false)];
  }
  const virsh = new Virsh(host.label, uri, async () => host);
  try {
    const { works, why } = await probeKvm(virsh, signal, arch);
    if (type === 'auto') answers?.set({ type: works ? 'kvm' : 'qemu', why });
    const processor = checkProcessor(facts, works || type === 'kvm');
    if (works) return [{ what: 'guests', ok: true, detail: `KVM works: ${why}` }, ...processor];
    // On ARM, KVM is part of the kernel.
    const fix = arch === 'x86_64' ? { fix: 'modprobe kvm_intel || modprobe kvm_amd' } : {};
    const detail =
      type === 'kvm'
        ? `KVM does not work, but the domain type requires it: ${why}`
        : `emulated by QEMU, since KVM does not work: ${why}`;
    return [{ what: 'guests', ok: type === 'auto', detail, ...fix }, ...processor];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    return [{ what: 'guests', ok: false, detail: messageOf(error) }];
  }
}

/** Reports guests of other Rechecks: each Recheck on a worker needs a storage path and a network of its own. */
export async function checkOthers(
  host: Host,
  facts: Facts,
  settings: CheckSettings,
  signal: AbortSignal,
): Promise<Check[]> {
  const { uri, controller } = settings;
  if (facts('libvirt').length === 0) return [];
  try {
    const guests = await listOwners(new Virsh(host.label, uri, async () => host), signal);
    const others = guests.filter(({ owner }) => owner.controller !== controller).length;
    if (others === 0) return [];
    const detail = `${others} of another Recheck: each Recheck needs its own storage path and libvirt network here.`;
    return [{ what: 'guests', ok: true, detail }];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    return [];
  }
}
