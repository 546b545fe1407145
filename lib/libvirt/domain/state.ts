/**
 * What a domain does, as far as we act on it.
 *
 * - `running`: it runs, or is about to power off
 * - `passing`: something on the worker holds it for a moment (a snapshot, a dump)
 * - `gone`: libvirt has no such domain, or it is shut off
 * - `halted`: it is there and does nothing, and nobody of ours asked for that
 */
export type DomainCondition = 'running' | 'passing' | 'gone' | 'halted';

/** Reasons of a pause that end without anybody's help (virDomainPausedReason in libvirt-domain.h, as virsh names them). */
const PASSING = /^paused \((starting up|saving|dumping|creating snapshot|migrating|post-copy|shutting down)\)/;

/**
 * Reads `virsh domstate --reason`: `running (booted)`, `paused (I/O error)`, `pmsuspended (unknown)`. A state that is
 * not known counts as running: only what is certain may end a build.
 */
export function conditionOf(state: string): DomainCondition {
  if (/^shut off/.test(state)) return 'gone';
  if (PASSING.test(state)) return 'passing';
  return /^(paused|crashed|pmsuspended)/.test(state) ? 'halted' : 'running';
}

/** Reads `virsh list --all`: the state of each domain by its name. Columns: id, name, state. */
export function parseDomainList(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, state] = /^\s*\S+\s+(\S.*?)\s{2,}(\S.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) found.set(name, state!);
  }
  return found;
}

/** How KVM says that it cannot go on with a guest (QEMU's accel/kvm/kvm-all.c and target/i386/kvm/kvm.c). */
const KVM_FAULT = /^.*(?:KVM internal error|kvm run failed|KVM: entry failed|KVM: unknown exit|emulation failure).*$/im;

/** The line of QEMU's log that tells of a fault of KVM; undefined if there is none. */
export const kvmFaultIn = (log: string): string | undefined => KVM_FAULT.exec(log)?.[0].trim();
