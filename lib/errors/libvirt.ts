/** Errors of libvirt on a worker, and of guests that it runs. */
import { quoted } from '../util/plain-text.ts';
import { CiError } from './ci-error.ts';
import { CPU_ADVICE, saysNoCpuModel, saysNoUefi, UEFI_ADVICE } from './libvirt-hardware.ts';

/** Returns the first lines of virsh's output as part of a sentence. */
export const words = (output: string): string =>
  quoted(output.replace(/^error: /gm, ''), 5).replace(/[.]$/, '') || 'it gave no reason';

// The worker

/** A worker has no virsh command. */
export const virshMissing = (worker: string): CiError =>
  new CiError({
    code: 'libvirt/no-virsh',
    blame: 'worker',
    message: `${worker}: virsh is not installed.`,
    advice:
      "Install libvirt's client and daemon there (Debian, Ubuntu: apt-get install libvirt-clients libvirt-daemon-system).",
    excludesHost: true,
  });

/** virsh cannot connect to the libvirt daemon. */
export const libvirtDown = (worker: string, uri: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/down',
    blame: 'worker',
    message: `${worker}: libvirt at ${uri} does not answer (${words(said)}).`,
    advice: 'Start it there: systemctl start libvirtd.',
    retryable: true,
    excludesHost: true,
  });

/**
 * A command for libvirt failed for a reason that has no error of its own.
 *
 * @param what was being done: "the list of guests"
 */
export const virshFailed = (worker: string, what: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/failed',
    blame: 'worker',
    message: `${worker}: ${what} failed: ${words(said)}.`,
    advice: 'The system log there may say more (journalctl).',
    excludesHost: true,
  });

/** The check whether KVM works could not run its guest, for a reason other than KVM. */
export const kvmUnknown = (worker: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/kvm-probe',
    blame: 'worker',
    message: `${worker}: the check whether KVM works failed: ${words(said)}.`,
    advice: "Set the worker's domain type to kvm or qemu.",
    excludesHost: true,
  });

/** Matches QEMU and libvirt when they cannot run a guest with KVM. */
const NO_KVM =
  /kvm kernel module|initialize kvm|\/dev\/kvm|kvm is not|requires kvm|no kvm|(?:domain ?type|virt type)[ =:]*'?kvm|kvm domain/i;

/** Describes a domain that libvirt did not start. @param said virsh's output */
export const domainRefused = (worker: string, domain: string, said: string): CiError => {
  const facts = {
    blame: 'worker',
    message: `${worker}: guest ${domain} could not be started: ${words(said)}.`,
  } as const;
  if (/no space left|disk quota exceeded/i.test(said)) {
    const advice = 'Free some space on the worker, or run fewer builds at once.';
    return new CiError({ ...facts, code: 'libvirt/disk-full', advice, result: 'DISK_FULL', retryable: true });
  }
  const advice = adviceFor(said);
  if (NO_KVM.test(said))
    return new CiError({ ...facts, code: 'libvirt/no-kvm', advice, excludesHost: true, kvm: 'missing' });
  const code = saysNoUefi(said) ? 'libvirt/no-uefi' : 'libvirt/not-started';
  return new CiError({ ...facts, code, advice, excludesHost: true });
};

/** Returns what to do about a domain that libvirt did not start, for the case that its disk is not full. */
function adviceFor(said: string): string {
  if (NO_KVM.test(said)) return "Set the worker's domain type to qemu, or fix KVM there.";
  if (saysNoUefi(said)) return UEFI_ADVICE;
  if (saysNoCpuModel(said)) return CPU_ADVICE;
  if (/cannot allocate memory|cannot set up guest memory/i.test(said))
    return 'The worker has too little free memory: give the guest less, or the worker fewer slots.';
  if (/nonexistent|no such file/i.test(said)) return 'Has somebody deleted its clone, or the image of the clone?';
  if (/permission denied/i.test(said))
    return "libvirt's qemu user must be able to enter every folder above the clone (chmod a+x).";
  return 'Its log there says more: /var/log/libvirt/qemu/.';
}

// Guests that were running

/** @param log QEMU's last lines; may be empty */
const logEnd = (log: string): string => (log === '' ? '' : ` QEMU's log ends with: "${log}".`);

/** What every guest has in common that its worker stopped. */
const STOPPED = { guestEnd: 'stopped', isLoginFutile: true } as const;

/** The domain of a guest that was up does not exist or run any more. @param log QEMU's last lines; may be empty */
export const guestVanished = (worker: string, domain: string, log = ''): CiError =>
  new CiError({
    code: 'libvirt/guest-gone',
    blame: 'guest',
    message: `${worker}: guest ${domain} was running and is gone: it powered off, or somebody destroyed it.${logEnd(log)}`,
    advice: 'See its console in the logs.',
    guestEnd: 'gone',
    isLoginFutile: true,
    isInterruption: true,
  });

/**
 * A guest is paused or crashed, and neither its disk nor KVM is known to be the cause.
 *
 * @param state as virsh prints it: "paused (unknown)"
 * @param log QEMU's last lines; may be empty
 */
export const guestHalted = (worker: string, domain: string, state: string, log: string): CiError =>
  new CiError({
    code: 'libvirt/guest-halted',
    blame: 'worker',
    message: `${worker}: guest ${domain} stopped: libvirt reports "${state}", which Recheck did not request.${logEnd(log)} The patch is not blamed for this.`,
    advice: 'See the log of libvirt on the worker: /var/log/libvirt/qemu/.',
    ...STOPPED,
    isInterruption: true,
  });

/**
 * QEMU paused a guest because no space is left on the worker.
 *
 * @param why the system's words: "No space left on device"
 */
export const diskFull = (worker: string, domain: string, why: string): CiError =>
  new CiError({
    code: 'libvirt/guest-stopped',
    blame: 'worker',
    message: `${worker}: the disk of guest ${domain} cannot be written: the worker's disk is full (${why}).`,
    advice: 'Free some space there, raise the quota, or run fewer builds at once.',
    result: 'DISK_FULL',
    retryable: true,
    ...STOPPED,
  });

/** QEMU paused a guest because of an I/O error on the worker. @param why the system's words: "Input/output error" */
export const diskFault = (worker: string, domain: string, why: string): CiError =>
  new CiError({
    code: 'libvirt/guest-io',
    blame: 'worker',
    message: `${worker}: the disk of guest ${domain} failed on the worker (${why}). The patch is not blamed for this.`,
    advice: 'Check the storage there: dmesg, the file system and the disks below it.',
    retryable: true,
    excludesHost: true,
    ...STOPPED,
  });

/**
 * QEMU stopped a guest because of an internal error of KVM.
 *
 * @param fault the line of QEMU's log
 * @param canEmulate whether the worker's next guest is emulated
 */
export const kvmFault = (worker: string, domain: string, fault: string, canEmulate = true): CiError =>
  new CiError({
    code: canEmulate ? 'libvirt/guest-kvm' : 'libvirt/guest-kvm-set',
    blame: 'worker',
    message: `${worker}: KVM failed while it ran guest ${domain} (${fault.slice(0, 200)}). Virtualization works only partly on this machine.`,
    advice: 'Set the worker\'s domain type to qemu, or fix KVM there; with "auto", its guests are emulated for a day.',
    retryable: true,
    ...STOPPED,
    ...(canEmulate ? { kvm: 'failed' } : {}),
  });

/** A guest ignored the request to power off. */
export const notShutDown = (worker: string, domain: string, seconds: number): CiError =>
  new CiError({
    code: 'libvirt/not-shut-down',
    blame: 'guest',
    message: `${worker}: guest ${domain} did not power off within ${seconds} s.`,
    advice:
      'Its system must react to the power button (systemd-logind or acpid), and nothing in it may block the shutdown.',
  });

/** libvirt could not destroy a guest. */
export const stillThere = (worker: string, domain: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/still-there',
    blame: 'worker',
    message: `${worker}: guest ${domain} could not be stopped: ${words(said)}.`,
    advice: `Check it with "virsh domstate ${domain}"; a hanging disk keeps a process alive.`,
    result: 'ERROR',
    retryable: true,
  });

/**
 * A guest was removed, but not its file of UEFI variables.
 *
 * @param files with its UEFI variables, separated by spaces
 */
export const nvramLeft = (worker: string, domain: string, files: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/nvram-left',
    blame: 'worker',
    message: `${worker}: guest ${domain} has ended, but the file with its UEFI variables cannot be removed: ${words(said)}.`,
    advice: `Remove it there: rm ${files}`,
    result: 'ERROR',
    retryable: true,
  });
