import { quoted } from '../util/plain-text.ts';
import { CiError } from './ci-error.ts';
import { CPU_ADVICE, isWithoutCpu, isWithoutUefi, UEFI_ADVICE } from './hardware.ts';

/** What virsh said, as part of a sentence: its first lines. */
const words = (said: string): string =>
  quoted(said.replace(/^error: /gm, ''), 5).replace(/[.]$/, '') || 'it gave no reason';

export const virshMissing = (worker: string): CiError =>
  new CiError({
    code: 'libvirt/no-virsh',
    message: `${worker}: there is no virsh. Install libvirt's client and daemon there (Debian, Ubuntu: apt-get install libvirt-clients libvirt-daemon-system).`,
  });

export const libvirtDown = (worker: string, uri: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/down',
    message: `${worker}: libvirt at ${uri} does not answer (${words(said)}). Start it there: systemctl start libvirtd.`,
    transient: true,
  });

/** @param what what was being done: "the list of guests" */
export const virshFailed = (worker: string, what: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/failed',
    message: `${worker}: ${what} failed: ${words(said)}.`,
  });

/** How QEMU and libvirt say that they cannot run a guest under KVM. */
const WITHOUT_KVM =
  /kvm kernel module|initialize kvm|\/dev\/kvm|kvm is not|requires kvm|no kvm|(?:domain ?type|virt type)[ =:]*'?kvm|kvm domain/i;

/** Whether a guest was refused because the worker has no KVM that works. */
export const isWithoutKvm = (error: unknown): boolean => error instanceof CiError && error.code === 'libvirt/no-kvm';

/** libvirt did not start the domain. */
export const domainRefused = (worker: string, domain: string, said: string): CiError => {
  const full = /no space left|disk quota exceeded/i.test(said);
  const withoutKvm = !full && WITHOUT_KVM.test(said);
  const withoutUefi = isWithoutUefi(said);
  let advice = ' Its log there says more: /var/log/libvirt/qemu/.';
  if (full) advice = ' Free some space on the worker, or take fewer builds at once.';
  else if (withoutKvm) advice = ' Set the worker’s domain type to qemu, or fix KVM there.';
  else if (withoutUefi) advice = UEFI_ADVICE;
  else if (isWithoutCpu(said)) advice = CPU_ADVICE;
  else if (/cannot allocate memory|cannot set up guest memory/i.test(said))
    advice = ' The worker has too little memory left: give the guest less, or the worker fewer slots.';
  else if (/nonexistent|no such file/i.test(said))
    advice = ' Has somebody deleted its clone, or the image that it was made of?';
  else if (/permission denied/i.test(said))
    advice = " libvirt's qemu user must be able to enter every folder above the clone (chmod a+x).";
  let code = 'libvirt/not-started';
  if (full) code = 'libvirt/disk-full';
  else if (withoutKvm) code = 'libvirt/no-kvm';
  else if (withoutUefi) code = 'libvirt/no-uefi';
  return new CiError({
    code,
    message: `${worker}: guest ${domain} could not be started: ${words(said)}.${advice}`,
    result: full ? 'DISK_FULL' : 'NODE_FAILURE',
    transient: full,
  });
};

/** @param log QEMU's last words; may be empty */
const logEnd = (log: string): string => (log === '' ? '' : ` QEMU's log ends with: "${log}".`);

/** @param log QEMU's last words; may be empty */
export const guestVanished = (worker: string, domain: string, log = ''): CiError =>
  new CiError({
    code: 'libvirt/guest-gone',
    message: `${worker}: guest ${domain} was running and is gone: it powered off, or somebody destroyed it.${logEnd(log)} Its console in the logs may tell.`,
  });

/** @param why in the words of the system: "No space left on device" */
export const diskFull = (worker: string, domain: string, why: string): CiError =>
  new CiError({
    code: 'libvirt/guest-stopped',
    message: `${worker}: the disk of guest ${domain} cannot be written: the worker's disk is full (${why}). Free some space there, raise the quota, or take fewer builds at once.`,
    result: 'DISK_FULL',
    transient: true,
  });

/** @param why in the words of the system: "Input/output error" */
export const diskFault = (worker: string, domain: string, why: string): CiError =>
  new CiError({
    code: 'libvirt/guest-io',
    message: `${worker}: the disk of guest ${domain} failed on the worker (${why}). Look at the storage there: dmesg, and the state of the file system and the disks below it. This is not the patch's fault.`,
    transient: true,
  });

/**
 * @param fault the line of QEMU's log
 * @param canEmulate whether the worker's next guest is emulated
 */
export const kvmFault = (worker: string, domain: string, fault: string, canEmulate = true): CiError =>
  new CiError({
    code: canEmulate ? 'libvirt/guest-kvm' : 'libvirt/guest-kvm-set',
    message: `${worker}: KVM failed while it ran guest ${domain} (${fault.slice(0, 200)}). Virtualization works only in part on this machine. Set the worker's domain type to qemu, or fix KVM there; with "auto", its guests are emulated for a day.`,
    transient: true,
  });

/** Whether KVM gave up a guest: its worker remembers that, and the next guest there is emulated. */
export const isKvmFault = (error: unknown): boolean => error instanceof CiError && error.code === 'libvirt/guest-kvm';

/** @param state as virsh has it: "paused (unknown)" @param log QEMU's last words; may be empty */
export const guestHalted = (worker: string, domain: string, state: string, log: string): CiError =>
  new CiError({
    code: 'libvirt/guest-halted',
    message: `${worker}: guest ${domain} stopped: libvirt says "${state}", and Recheck did not ask for that.${logEnd(log)} This is not the patch's fault.`,
  });

export const addressShared = (worker: string, domain: string, other: string, address: string): CiError =>
  new CiError({
    code: 'libvirt/address-shared',
    message: `${worker}: guests ${domain} and ${other} have the same address, ${address}. A DHCP server gives one address to guests that ask with one client id: is /etc/machine-id empty in the image? Empty it there, or tell the network to ignore client ids (Check this host has the command).`,
  });

export const networkMissing = (worker: string, source: string, there: readonly string[]): CiError =>
  new CiError({
    code: 'libvirt/no-network',
    message: `${worker}: there is no libvirt network and no bridge "${source}". There are: ${there.join(', ') || 'none'}. Name one of these in virsh-boot, or make it there (virsh net-start ${source}).`,
  });

export const networkDown = (worker: string, network: string): CiError =>
  new CiError({
    code: 'libvirt/network-down',
    message: `${worker}: the libvirt network ${network} is not running. Start it there: virsh net-start ${network} (and virsh net-autostart ${network}).`,
  });

export const onlyPrivate = (domain: string): CiError =>
  new CiError({
    code: 'libvirt/only-private',
    message: `Guest ${domain} hangs on private bridges only, where nobody can reach it. Give it a libvirt network or a bridge of the worker as well.`,
    result: 'ERROR',
  });

export const badMac = (mac: string): CiError =>
  new CiError({
    code: 'libvirt/mac',
    message: `"${mac}" is no MAC address that a guest can have. Write six bytes such as 52:54:00:12:34:56, the first one even; or leave it empty for a fresh one.`,
    result: 'ERROR',
  });

/** @param holder the guest that has the MAC */
export const macTaken = (worker: string, domain: string, mac: string, holder: string): CiError =>
  new CiError({
    code: 'libvirt/mac-taken',
    message: `${worker}: guest ${domain} cannot have the MAC ${mac}, since guest ${holder} has it now: each would get what is meant for the other. Leave the MAC empty for a fresh one each time, or give the worker one slot.`,
    result: 'ERROR',
  });

export const badBridgeName = (name: string): CiError =>
  new CiError({
    code: 'libvirt/bridge-name',
    message: `"${name}%" cannot name a private bridge: use up to 11 letters, digits, dots, dashes and underscores before the %.`,
    result: 'ERROR',
  });

export const bridgeFailed = (worker: string, bridge: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/bridge',
    message: `${worker}: the private bridge ${bridge} could not be made or removed: ${words(said)}. It takes root, ip (iproute2) and iptables there.`,
  });

/** @param lacks what the XML does not hold: "the domain's name" */
export const badDomainTemplate = (lacks: string): CiError =>
  new CiError({
    code: 'libvirt/template',
    message: `The template of the domain's XML does not hold ${lacks}, so that the guest could not be found again and removed. Take it over from the original template.`,
    result: 'ERROR',
  });

export const noDisk = (domain: string): CiError =>
  new CiError({
    code: 'libvirt/no-disk',
    message: `Guest ${domain}: its clone holds no disk file. The image must hold one such as vda.qcow2; rebuild it.`,
  });

export const stillThere = (worker: string, domain: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/still-there',
    message: `${worker}: guest ${domain} could not be ended: ${words(said)}. Look at it with "virsh domstate ${domain}"; a hanging disk keeps a process alive.`,
    result: 'ERROR',
    transient: true,
  });

/** @param files of its UEFI variables, with blanks between them */
export const nvramLeft = (worker: string, domain: string, files: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/nvram-left',
    message: `${worker}: guest ${domain} has ended, and the file of its UEFI variables cannot be removed: ${words(said)}. Remove it there: rm ${files}`,
    result: 'ERROR',
    transient: true,
  });

export const kvmUnknown = (worker: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/kvm-probe',
    message: `${worker}: whether KVM works there could not be found out: ${words(said)}. Set the worker's domain type to kvm or qemu.`,
  });

export const notShutDown = (worker: string, domain: string, seconds: number): CiError =>
  new CiError({
    code: 'libvirt/not-shut-down',
    message: `${worker}: guest ${domain} did not power off in ${seconds} s. Its system must listen to the power button (systemd-logind or acpid), and nothing in it may hold the shutdown up.`,
  });
