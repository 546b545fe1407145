import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** Whether a worker's disk is full: the controller's own, or a guest's, is another matter. */
export const isWorkerFull = (error: unknown): error is CiError =>
  error instanceof CiError && error.result === 'DISK_FULL' && /^(storage|libvirt)\//.test(error.code);

/** What a clone or a boot meets where the machine is at fault: neither its image, nor the guest, nor the job. */
const OF_THE_WORKER = new Set([
  'storage/no-place',
  'storage/no-command',
  'storage/unmounted',
  'storage/wrong-file-system',
  'storage/not-root',
  'storage/busy',
  'storage/not-removed',
  'storage/fault',
  'image/worker-silent',
  'libvirt/no-virsh',
  'libvirt/down',
  'libvirt/failed',
  'libvirt/not-started',
  'libvirt/no-kvm',
  'libvirt/no-uefi',
  'libvirt/no-network',
  'libvirt/network-down',
  'libvirt/bridge',
  'libvirt/guest-io',
  'libvirt/kvm-probe',
  'worker/guest-not-started',
  'worker/no-loopback',
  'worker/metadata-link',
  'worker/metadata-rules',
  'worker/metadata-taken',
]);

/** Whether a worker fails the next build as well, since it is the machine that is at fault. A full disk is told apart. */
export function isWorkerFault(error: unknown): error is CiError {
  if (!(error instanceof CiError) || !OF_THE_WORKER.has(error.code)) return false;
  // An image that failed a while ago and is left alone now: that tells nothing of the worker as it is.
  return !(error.cause instanceof CiError && error.cause.code === error.code);
}

const ending = (console: string): string => {
  const tail = quoted(console);
  return tail === '' ? 'Its console is empty.' : `Its console ends with: "${tail}"`;
};

export const guestDied = (domain: string, how: string, console: string): CiError =>
  new CiError({
    code: 'worker/guest-died',
    message: `Guest ${domain} ${how} before its SSH was open. ${ending(console)}`,
  });

export const guestEnded = (domain: string): CiError =>
  new CiError({
    code: 'worker/guest-ended',
    message: `Guest ${domain} was up and has ended since. Something on this machine ended its process; look for a lack of memory.`,
  });

export const guestNotBooted = (domain: string): CiError =>
  new CiError({
    code: 'worker/no-guest',
    message: `Guest ${domain} does not run on this worker: it was never booted, or it was stopped already.`,
  });

export const foreignGuest = (domain: string, build: string, attempt: number): CiError =>
  new CiError({
    code: 'worker/foreign-guest',
    message: `Guest ${domain} runs already and belongs to build ${build}, attempt ${attempt}. It must be stopped before another can have its name.`,
    transient: true,
  });

export const noGuestAt = (worker: string, address: string): CiError =>
  new CiError({
    code: 'worker/no-guest-at-address',
    message: `Worker ${worker}: no guest of it has the address ${address}, so nobody is logged in to there. It may have been stopped.`,
  });

export const guestNotStarted = (domain: string, cause: unknown): CiError =>
  new CiError({
    code: 'worker/guest-not-started',
    message: `Guest ${domain} could not be started: ${messageOf(cause)}`,
    cause,
  });

export const guestNotEnded = (domain: string, pids: number[]): CiError =>
  new CiError({
    code: 'worker/guest-not-ended',
    message: `Guest ${domain}: process ${pids.join(', ')} of it cannot be ended. It may run as another user; end it by hand, then the clean-up goes on.`,
    result: 'ERROR',
    transient: true,
  });

export const noLoopback = (): CiError =>
  new CiError({
    code: 'worker/no-loopback',
    message:
      'The sandbox worker found no free address in 127.64.0.0/10. Each of its guests needs one of its own, which Linux gives without set-up and other systems do not.',
  });

export const linkFailed = (worker: string, cause: unknown): CiError =>
  new CiError({
    code: 'worker/metadata-link',
    message: `Worker ${worker}: its guests cannot be given metadata, since no port on 127.0.0.1 could be opened (${messageOf(cause)}).`,
    cause,
  });

export const rulesFailed = (worker: string, said: string): CiError =>
  new CiError({
    code: 'worker/metadata-rules',
    message: `${worker}: the iptables rules that lead guests to their metadata could not be set or taken back: ${quoted(said) || 'nothing was said about why'}. They take root and iptables there.`,
  });

export const rulesTaken = (worker: string, rule: string): CiError =>
  new CiError({
    code: 'worker/metadata-taken',
    message: `${worker}: another iptables rule takes what guests ask of 169.254.169.254: ${quoted(rule, 1, 300)}. Remove it there (iptables -t nat -D instead of -A), or stop the program that sets it. Where it is a second Recheck's (its comment begins with recheck-), give each a libvirt network of its own on this worker.`,
  });

export const listenerFailed = (address: string, port: number, cause: unknown): CiError =>
  new CiError({
    code: 'worker/metadata-listen',
    message: `The metadata server cannot listen on ${address}:${port} of this machine (${messageOf(cause)}). Give it another port or address, or the way inside the worker's SSH connection.`,
    cause,
  });

export const listenerElsewhere = (worker: string): CiError =>
  new CiError({
    code: 'worker/metadata-elsewhere',
    message: `${worker}: its guests cannot ask a metadata server at an address of this machine: their own addresses are hidden behind the worker's, and every worker's guests have the same ones, so nobody could tell who asks. Use the way inside the worker's SSH connection.`,
    result: 'ERROR',
  });

export const guestSilent = (address: string, seconds: number): CiError =>
  new CiError({
    code: 'worker/guest-silent',
    message: `The guest at ${address} did not answer on port 22 in ${seconds} s.`,
    transient: true,
  });

export const factsUnread = (worker: string): CiError =>
  new CiError({
    code: 'worker/facts',
    message: `${worker}: its free memory and load could not be read from /proc/meminfo and /proc/loadavg. Is it a Linux machine?`,
  });

export const hostNodeGone = (worker: string): CiError =>
  new CiError({
    code: 'worker/no-ssh-host',
    message: `${worker}: the SSH host that it is reached by is not there (any more). Choose one in the worker's settings, and deploy.`,
    result: 'ERROR',
  });
