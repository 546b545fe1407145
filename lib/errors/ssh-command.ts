/** Errors of commands and scripts that run through SSH, or on this machine. */
import { formatSeconds } from '../util/format.ts';
import { quoted } from '../util/plain-text.ts';
import { type CiError, messageOf } from './ci-error.ts';
import { at, type SshPlace, sshError } from './ssh.ts';

const START_FILES = '~/.bashrc, or ~/.zshenv, ~/.cshrc, ~/.config/fish/config.fish, ~/.ssh/rc of its shell';

/**
 * Describes a login shell that ran something other than the command.
 *
 * @param how what it did: "ended with exit code 1 before it ran"
 * @param said its output; may be empty
 */
export const commandNotBegun = (place: SshPlace, command: string, how: string, said: string): CiError =>
  sshError({
    code: 'ssh/not-begun',
    message: `${at(place)}: the login shell of ${place.user} ${how} "${command}"${said === '' ? '' : `, and printed "${quoted(said, 3)}"`}.`,
    advice: `Look for "exec" and "exit" in its start-up files (${START_FILES}), for ForceCommand in sshd_config and command= in authorized_keys, and check whether its shell runs commands ("getent passwd ${place.user}"; "chsh -s /bin/bash ${place.user}" sets one that does).`,
    runsNoCommand: true,
  });

/** Describes an external sftp-server, started by the login shell, whose output comes after that of the shell. */
export const sftpNoise = (place: SshPlace, said: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/sftp-noise',
    message: `${at(place)}: no files can be transferred by SFTP, because the login shell of ${place.user} prints "${quoted(said, 3)}" before the transfer begins.`,
    advice: `Remove that from its start-up files (${START_FILES}), or print it in interactive shells only; or set "Subsystem sftp internal-sftp" in sshd_config.`,
    cause,
  });

/** A command's channel was closed without an exit status or a signal (RFC 4254, section 6.10). */
export const noExitStatus = (label: string): CiError =>
  sshError({
    code: 'ssh/no-exit-status',
    message: `${label}: the command ended without an exit status: its process or its SSH server was killed there.`,
    retryable: true,
    isInterruption: true,
  });

/** The caller cancelled a command. */
export const commandClosed = (label: string): CiError =>
  sshError({
    code: 'ssh/command-closed',
    blame: 'controller',
    message: `${label}: the command was cancelled before it finished.`,
    result: 'NODE_FAILURE',
    isCancelled: true,
    isInterruption: true,
  });

/**
 * A command took longer than its caller allows.
 *
 * @param noise what the login shell printed instead of running it; may be empty
 */
export const commandTimeout = (label: string, command: string, milliseconds: number, noise = ''): CiError =>
  sshError({
    code: 'ssh/command-timeout',
    message: `${label}: "${command}" did not finish within ${formatSeconds(milliseconds)} and was cancelled.${noise === '' ? '' : ` The login shell did not run it, and printed "${quoted(noise, 3)}".`}`,
    advice: noise === '' ? '' : `Check its start-up files (${START_FILES}).`,
    retryable: true,
    isInterruption: true,
  });

/** The system could not start a program on this machine. */
export const commandNotRun = (label: string, command: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/command-not-run',
    message: `${label}: "${command}" could not be started (${messageOf(cause)}).`,
    advice: 'Is it installed, and may this account run it?',
    cause,
  });

/** An argument contains a NUL character, which ends an argument in every system call. */
export const nulInCommand = (): CiError =>
  sshError({
    code: 'ssh/nul',
    blame: 'config',
    message: 'A command has a NUL character in an argument, which no system accepts.',
    advice: 'Remove it from the setting, or from the variable, that the argument comes from.',
  });

// Scripts

/** A shell variable cannot have this name or value. */
export const badEnvironment = (name: string, why: string): CiError =>
  sshError({
    code: 'ssh/script-environment',
    blame: 'config',
    message: `The script's environment variable "${name}" cannot be set: ${why}.`,
    advice: 'Correct the variable in the node, in ci-jobs or in msg.env.',
  });

/** The user that a script is to run as is not a plain login name. */
export const badUser = (user: string): CiError =>
  sshError({
    code: 'ssh/script-user',
    blame: 'config',
    message: `"${user}" is not a user name that a script can run as.`,
    advice: 'Enter a login name such as root or stack.',
  });

/**
 * The interpreter of a script, or the switch to its user, failed before the script's first line.
 *
 * @param said stderr of the machine that should run it
 */
export const scriptNotStarted = (label: string, user: string | undefined, said: string): CiError => {
  const full = /no space left/i.test(said);
  const as = user === undefined ? '' : ` as user ${user}`;
  let advice =
    user === undefined ? 'Is its interpreter installed there?' : 'Do that user and its interpreter exist there?';
  if (full) advice = 'Its disk is full: give the image a larger disk, or free some space there.';
  else if (/^sudo:/m.test(said) && user !== undefined)
    advice = `The login user must be root, or sudo must allow it to run commands as ${user} without a password.`;
  return sshError({
    code: 'ssh/script-not-started',
    blame: 'guest',
    message: `${label}: the script could not be started${as}: ${quoted(said) || '(no output)'}.`,
    advice,
    result: full ? 'DISK_FULL' : 'NODE_FAILURE',
    isNotStarted: true,
  });
};
