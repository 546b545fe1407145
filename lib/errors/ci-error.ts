import type { Result } from '../model/result.ts';
import { harmless } from '../util/plain-text.ts';

/**
 * Who can put an error right: the author of the patch, whoever runs the worker (or another machine that SSH leads to),
 * the guest's system, the image, the settings in the flow, or the controller: Recheck, its machine, or its operator.
 */
export type Blame = 'patch' | 'worker' | 'guest' | 'image' | 'config' | 'controller';

/** What a build ends as if an error states nothing else. */
const RESULT_OF: Readonly<Record<Blame, Result>> = {
  patch: 'FAILURE',
  worker: 'NODE_FAILURE',
  guest: 'NODE_FAILURE',
  image: 'NODE_FAILURE',
  config: 'ERROR',
  controller: 'ERROR',
};

/** How an SSH login to a guest failed. An error without it broke the connection before the server said anything. */
export type LoginFailure = 'silent' | 'no-listener' | 'ended' | 'other-host-key' | 'refused';

/** What callers decide on. Each is missing unless it is stated. */
export interface CiErrorFacts {
  /** The worker fails the next build as well, so the scheduler avoids it for a while. */
  excludesHost?: true;
  /** A guest that was up cannot go on: it powered off or was destroyed, or its worker stopped it. */
  guestEnd?: 'gone' | 'stopped';
  /** The guest cannot come up any more: another login attempt is pointless. */
  isLoginFutile?: true;
  loginFailure?: LoginFailure;
  /** The established SSH connection broke. */
  isConnectionLost?: true;
  /**
   * The SSH server closed the connection before it introduced itself: OpenSSH does that at random while more than
   * MaxStartups logins are under way (sshd_config(5)).
   */
  isDroppedEarly?: true;
  /** The SSH server refused to open another session, or refused what was asked of the one it opened. */
  sshRefusal?: 'session' | 'request';
  /** The login succeeded, and the login shell ran something other than the command. */
  runsNoCommand?: true;
  /** A command or its guest was cut off: nothing is known about what the command did. */
  isInterruption?: true;
  /** Recheck itself cancelled the command. */
  isCancelled?: true;
  /** A script or a guest did not start, and the message says why. */
  isNotStarted?: true;
  /** The message already ends with the guest's console. */
  quotesConsole?: true;
  /** The worker has no working KVM, or KVM failed while it ran a guest and the next guest there is emulated. */
  kvm?: 'missing' | 'failed';
  /** What was named does not exist. */
  isNotFound?: true;
  /** An account lacks a permission that only an administrator can grant. */
  isPermissionDenied?: true;
  /** It can be retried as soon as the connection is up again, so a fixed delay is enough. */
  awaitsConnection?: true;
  /** It says nothing against what was downloaded so far, which is kept and resumed. */
  keepsDownload?: true;
  /** It names the log file that could not be fetched or written. */
  namesLogFile?: true;
}

/** The facts and texts that a CiError is made of. */
export interface CiErrorFields extends CiErrorFacts {
  /** Stable and greppable, such as `ssh/host-key-changed`. */
  code: string;
  blame: Blame;
  /** What failed, on what and why, in one or two sentences. */
  message: string;
  /** What to do about it; appended to the message. */
  advice?: string;
  /** What a build that meets it ends as; by default it follows from `blame`. */
  result?: Result;
  /** Whether trying again later may help. */
  retryable?: boolean;
  cause?: unknown;
}

/**
 * An error that a person can act on. Every error that leaves `lib/` is one. Its message is written for the operator and
 * is shown unchanged on the node, in the build's console and in Node-RED's log, so the control characters of a guest's
 * console, which it may quote, are removed.
 */
export class CiError extends Error {
  readonly code: string;
  readonly blame: Blame;
  readonly result: Result;
  readonly retryable: boolean;
  /** What to do about it, which `message` ends with; empty if there is nothing to do. */
  readonly advice: string;
  readonly facts: Readonly<CiErrorFacts>;

  constructor({ code, blame, message, advice = '', result, retryable = false, cause, ...facts }: CiErrorFields) {
    super(harmless(advice === '' ? message : `${message} ${advice}`), cause === undefined ? undefined : { cause });
    this.name = 'CiError';
    this.code = code;
    this.blame = blame;
    this.result = result ?? RESULT_OF[blame];
    this.retryable = retryable;
    this.advice = harmless(advice);
    this.facts = facts;
  }

  /** Returns the message alone, without the name of the class. */
  override toString(): string {
    return this.message;
  }
}

/** Returns the facts of anything thrown; none if it is not a CiError. */
export const factsOf = (error: unknown): Readonly<CiErrorFacts> => (error instanceof CiError ? error.facts : {});

/** Returns the message of anything thrown, without a stack. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Returns a reason as the end of a message: with a full stop, unless it already ends a sentence. */
export const asSentence = (reason: string): string => (/[.?!]$/.test(reason) ? reason : `${reason}.`);

/** Returns whether a file system is full, or a quota on it is used up, by Node's error code. */
export const isDiskFull = (error: unknown): boolean => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
};

/** Returns anything thrown as a CiError: itself, or an `internal` one that says where it happened. */
export function toCiError(error: unknown, where: string): CiError {
  if (error instanceof CiError) return error;
  if (isDiskFull(error)) {
    return new CiError({
      code: 'disk-full',
      blame: 'controller',
      message: `${where}: the disk is full (${messageOf(error)}).`,
      advice: 'Free some space, or keep fewer logs (retention in publish-logs).',
      result: 'DISK_FULL',
      cause: error,
    });
  }
  return new CiError({
    code: 'internal',
    blame: 'controller',
    message: `${where}: ${messageOf(error)}`,
    cause: error,
  });
}
