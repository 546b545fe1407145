import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type GuestConfig, MARK_VARIABLE } from '../guest-protocol.ts';

/** The shell that commands of an SSH session run in, as a login shell in /etc/passwd would be. */
export const SHELL = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/**
 * The whole environment of a guest's processes: what sshd gives, with the clone's folder as home. Of the controller's
 * own environment only PATH is let through, since the guest's programs are this machine's.
 */
export function guestEnvironment(
  config: Pick<GuestConfig, 'mark' | 'home' | 'tmp'>,
  hostname: string,
): Record<string, string> {
  const { username } = userInfo();
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: config.home,
    USER: username,
    LOGNAME: username,
    SHELL,
    LANG: 'C.UTF-8',
    TMPDIR: config.tmp,
    HOSTNAME: hostname,
    [MARK_VARIABLE]: config.mark,
  };
}
