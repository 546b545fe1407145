import { kvmUnknown } from '../../errors/libvirt.ts';
import { program } from '../../util/program.ts';
import type { Arch } from '../domain/host-hardware.ts';
import type { Virsh } from '../virsh.ts';
import { armProgram } from './arm-program.ts';
import { bootSector, SIGN_OF_LIFE } from './boot-sector.ts';

/** Seconds in which a guest under KVM must show life; it takes well under one where KVM works. */
const LIFE = 5;

const START = program(import.meta.url, 'try-kvm');

/** What was found out about KVM on a worker, in words for its operator where it does not work. */
export interface KvmAnswer {
  works: boolean;
  why: string;
}

/**
 * Finds out whether guests run under KVM there, by running one: that /dev/kvm exists, or that libvirt offers KVM, proves
 * nothing (nested virtualization can be there and hang). Takes some tenths of a second where it works, and LIFE where
 * it hangs.
 *
 * @throws CiError where it could not be tried
 */
export async function probeKvm(virsh: Virsh, signal: AbortSignal, arch: Arch = 'x86_64'): Promise<KvmAnswer> {
  const offered = await virsh.ask(['domcapabilities', '--virttype', 'kvm', '--arch', arch], {
    signal,
    what: 'the question for KVM',
  });
  const emulator = /<path>([^<]+)<\/path>/.exec(offered.stdout)?.[1];
  if (offered.code !== 0 || emulator === undefined) return { works: false, why: 'libvirt offers no KVM there' };
  const tried = await virsh.askProgram(START, [emulator, `${LIFE}`, arch], {
    signal,
    what: 'the trial of KVM',
    stdin: (arch === 'aarch64' ? armProgram() : bootSector()).toString('base64'),
  });
  if (tried.stdout.includes(SIGN_OF_LIFE)) return { works: true, why: 'a guest under KVM showed life' };
  if (tried.code !== 0) throw kvmUnknown(virsh.label, tried.stderr);
  const said = tried.stderr.split('\n').find((line) => /^qemu.*(?:error|fail|could not)/i.test(line));
  return { works: false, why: said ? `QEMU said: ${said}` : `a guest under KVM showed no life within ${LIFE} s` };
}
