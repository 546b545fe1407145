/**
 * What a domain does.
 *
 * - `running`: it runs, or is powering off
 * - `passing`: something on the worker pauses it for a moment (a snapshot, a dump)
 * - `gone`: libvirt has no such domain, or it is shut off
 * - `halted`: it exists and does not run, and we did not ask for that
 */
export type DomainCondition = 'running' | 'passing' | 'gone' | 'halted';

/** Reasons of a temporary pause (virDomainPausedReason in libvirt-domain.h, in virsh's words). */
const PASSING = /^paused \((starting up|saving|dumping|creating snapshot|migrating|post-copy|shutting down)\)/;

/**
 * Parses the output of `virsh domstate --reason`: `running (booted)`, `paused (I/O error)`, `pmsuspended (unknown)`. An
 * unknown state counts as running, since it must not end a build.
 */
export function conditionOf(state: string): DomainCondition {
  if (/^shut off/.test(state)) return 'gone';
  if (PASSING.test(state)) return 'passing';
  return /^(paused|crashed|pmsuspended)/.test(state) ? 'halted' : 'running';
}

/** Parses `virsh list --all` (id, name, state) into the state of each domain by name. */
export function parseDomainList(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, state] = /^\s*\S+\s+(\S.*?)\s{2,}(\S.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) found.set(name, state!);
  }
  return found;
}

/** QEMU's messages if KVM gives up a guest (accel/kvm/kvm-all.c and target/i386/kvm/kvm.c). */
const KVM_FAULT = /^.*(?:KVM internal error|kvm run failed|KVM: entry failed|KVM: unknown exit|emulation failure).*$/im;

/** Returns the line of QEMU's log that reports a KVM fault; undefined if there is none. */
export const kvmFaultIn = (log: string): string | undefined => KVM_FAULT.exec(log)?.[0].trim();
