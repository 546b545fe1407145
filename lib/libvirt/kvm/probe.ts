import { kvmUnknown } from '../../errors/libvirt.ts';
import { program } from '../../util/program.ts';
import type { Arch } from '../domain/host-hardware.ts';
import type { Virsh } from '../virsh.ts';
import { armProgram } from './arm-program.ts';
import { bootSector, SIGN_OF_LIFE } from './boot-sector.ts';

/** A guest under KVM must answer within this; it takes well under a second if KVM works. */
const GUEST_TIMEOUT_SECONDS = 5;

const START = program(import.meta.url, 'try-kvm');

/** Whether KVM works on a worker, with the reason in words for its operator. */
export interface KvmAnswer {
  works: boolean;
  why: string;
}

/**
 * Finds out whether guests run under KVM by running one. That /dev/kvm exists or libvirt offers KVM proves nothing:
 * nested virtualization may exist and hang. Takes some tenths of a second if KVM works, GUEST_TIMEOUT_SECONDS if it
 * hangs.
 *
 * @throws CiError if it could not be tried
 */
export async function probeKvm(virsh: Virsh, signal: AbortSignal, arch: Arch = 'x86_64'): Promise<KvmAnswer> {
  const offered = await virsh.ask(['domcapabilities', '--virttype', 'kvm', '--arch', arch], {
    signal,
    what: 'the question for KVM',
  });
  const emulator = /<path>([^<]+)<\/path>/.exec(offered.stdout)?.[1];
  if (offered.code !== 0 || emulator === undefined) return { works: false, why: 'libvirt offers no KVM there' };
  const tried = await virsh.askProgram(START, [emulator, `${GUEST_TIMEOUT_SECONDS}`, arch], {
    signal,
    what: 'the trial of KVM',
    stdin: (arch === 'aarch64' ? armProgram() : bootSector()).toString('base64'),
  });
  if (tried.stdout.includes(SIGN_OF_LIFE)) return { works: true, why: 'a guest under KVM showed life' };
  if (tried.code !== 0) throw kvmUnknown(virsh.label, tried.stderr);
  const said = tried.stderr.split('\n').find((line) => /^qemu.*(?:error|fail|could not)/i.test(line));
  return {
    works: false,
    why: said ? `QEMU said: ${said}` : `a guest under KVM showed no life within ${GUEST_TIMEOUT_SECONDS} s`,
  };
}
