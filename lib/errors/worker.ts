import { CiError, messageOf } from './ci-error.ts';

const ending = (console: string): string => {
  const tail = console.trimEnd().split('\n').slice(-3).join(' / ');
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
