/** Errors of workers of every kind: their guests, and how these get metadata. */
import { quoted } from '../util/plain-text.ts';
import { asSentence, CiError, messageOf } from './ci-error.ts';

/** Returns whether the disk of a worker is full, as opposed to the controller's or a guest's. */
export const isWorkerFull = (error: unknown): error is CiError =>
  error instanceof CiError && error.result === 'DISK_FULL' && error.blame === 'worker';

// Guests

const ending = (console: string): string => {
  const tail = quoted(console);
  return tail === '' ? 'Its console is empty.' : `Its console ends with: "${tail}"`;
};

/** A guest ended while it booted. @param how a verb phrase: "powered off" @param console its serial console */
export const guestDied = (domain: string, how: string, console: string): CiError =>
  new CiError({
    code: 'worker/guest-died',
    blame: 'guest',
    message: `Guest ${domain} ${how} before SSH login was possible. ${ending(console)}`,
    guestEnd: 'gone',
    isLoginFutile: true,
    quotesConsole: true,
  });

/** Describes a process of the sandbox worker that ended. */
export const guestEnded = (domain: string): CiError =>
  new CiError({
    code: 'worker/guest-ended',
    blame: 'guest',
    message: `Guest ${domain} was running and its process has ended.`,
    advice: 'Something on this machine killed it; check whether memory is short.',
  });

/** A guest's address was asked for, but its worker does not know the guest. */
export const guestNotBooted = (domain: string): CiError =>
  new CiError({
    code: 'worker/no-guest',
    blame: 'guest',
    message: `Guest ${domain} is not running on this worker: it was never booted, or was already stopped.`,
    advice: 'If it was booted, see its console in the logs.',
  });

/** Another build, or another attempt of the same one, runs a guest of that name. */
export const foreignGuest = (domain: string, build: string, attempt: number): CiError =>
  new CiError({
    code: 'worker/foreign-guest',
    blame: 'worker',
    message: `Guest ${domain} is already running and belongs to build ${build}, attempt ${attempt}.`,
    advice: 'It must be stopped before another can have its name.',
    retryable: true,
  });

/** A guest of the sandbox worker ended before the login to it. */
export const noGuestAt = (worker: string, address: string): CiError =>
  new CiError({
    code: 'worker/no-guest-at-address',
    blame: 'guest',
    message: `Worker ${worker}: none of its guests has the address ${address}, so Recheck does not log in there. The guest may have been stopped.`,
    advice: 'See its console in the logs.',
    isLoginFutile: true,
  });

/** The sandbox worker could not start the process that serves as a guest. */
export const guestNotStarted = (domain: string, cause: unknown): CiError =>
  new CiError({
    code: 'worker/guest-not-started',
    blame: 'worker',
    message: `Guest ${domain} could not be started: ${asSentence(messageOf(cause))}`,
    advice: 'Has somebody deleted its clone, or is memory short?',
    excludesHost: true,
    cause,
  });

/** Processes of a guest of the sandbox worker survive SIGKILL or belong to another user. */
export const guestNotEnded = (domain: string, pids: number[]): CiError =>
  new CiError({
    code: 'worker/guest-not-ended',
    blame: 'worker',
    message: `Guest ${domain}: its process ${pids.join(', ')} cannot be killed. It may run as another user.`,
    advice: 'Kill it manually, then the cleanup continues.',
    result: 'ERROR',
    retryable: true,
  });

/** A connection to a guest's SSH port could not be opened in time. */
export const guestSilent = (address: string, seconds: number): CiError =>
  new CiError({
    code: 'worker/guest-silent',
    blame: 'guest',
    message: `The guest at ${address} did not answer on port 22 within ${seconds} s.`,
    retryable: true,
    loginFailure: 'silent',
  });

// Metadata

/** The sandbox worker cannot listen on any loopback address but 127.0.0.1, or all are in use. */
export const noLoopback = (): CiError =>
  new CiError({
    code: 'worker/no-loopback',
    blame: 'worker',
    message:
      'The sandbox worker found no free address in 127.64.0.0/10. Each of its guests needs its own, which only Linux provides without setup.',
    advice: 'Run Node-RED on Linux, or use a worker host with libvirt.',
    excludesHost: true,
  });

/** The port through which guests of the sandbox worker request metadata could not be opened. */
export const linkFailed = (worker: string, cause: unknown): CiError =>
  new CiError({
    code: 'worker/metadata-link',
    blame: 'worker',
    message: `Worker ${worker}: its guests cannot get metadata, because no port on 127.0.0.1 could be opened (${messageOf(cause)}).`,
    advice: 'Has Node-RED reached its limit of open files (ulimit -n)?',
    excludesHost: true,
    cause,
  });

/** The worker could not change its iptables rules for metadata. */
export const rulesFailed = (worker: string, said: string): CiError =>
  new CiError({
    code: 'worker/metadata-rules',
    blame: 'worker',
    message: `${worker}: the iptables rules that redirect guests to their metadata could not be added or removed: ${quoted(said) || '(no output)'}.`,
    advice: 'They require root and iptables there.',
    excludesHost: true,
  });

/** An iptables rule before Recheck's sends metadata requests elsewhere. @param rule as "iptables -S" prints it */
export const rulesTaken = (worker: string, rule: string): CiError =>
  new CiError({
    code: 'worker/metadata-taken',
    blame: 'worker',
    message: `${worker}: another iptables rule takes the guests' requests to 169.254.169.254: ${quoted(rule, 1, 300)}.`,
    advice:
      'Remove it there (iptables -t nat -D instead of -A), or stop the program that adds it. If it belongs to another Recheck (its comment begins with recheck-), give each its own libvirt network on this worker.',
    excludesHost: true,
  });

/** The port for metadata requests from guests could not be opened on the controller. */
export const listenerFailed = (address: string, port: number, cause: unknown): CiError =>
  new CiError({
    code: 'worker/metadata-listen',
    blame: 'controller',
    message: `The metadata server cannot listen on ${address}:${port} of this machine (${messageOf(cause)}).`,
    advice: "Set another port or address, or choose access inside the worker's SSH connection.",
    result: 'NODE_FAILURE',
    cause,
  });

/** The metadata server listens on the controller, but the guests run on another machine behind NAT. */
export const listenerElsewhere = (worker: string): CiError =>
  new CiError({
    code: 'worker/metadata-elsewhere',
    blame: 'config',
    message: `${worker}: its guests cannot use a metadata server at an address of this machine: their addresses are hidden behind the worker's and are the same on every worker, so requests could not be attributed to guests.`,
    advice: "Choose access inside the worker's SSH connection.",
  });

// The machine

/** A worker's /proc lacks the figures that its free capacity is computed from. */
export const factsUnread = (worker: string): CiError =>
  new CiError({
    code: 'worker/facts',
    blame: 'worker',
    message: `${worker}: its free memory and load could not be read from /proc/meminfo and /proc/loadavg.`,
    advice: 'Is it a Linux machine?',
  });

/** The ssh-host node that a worker host selects was deleted or disabled. */
export const hostNodeGone = (worker: string): CiError =>
  new CiError({
    code: 'worker/no-ssh-host',
    blame: 'config',
    message: `${worker}: its SSH host does not exist any more.`,
    advice: 'Select one in the worker host, and deploy.',
  });
