import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type GuestConfig, MARK_VARIABLE } from '../guest-protocol.ts';

/** Shell for the commands of SSH sessions, like a login shell in /etc/passwd. */
export const SHELL = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/**
 * Returns the complete environment of a guest's processes: what sshd sets, with the clone's folder as home. Of the
 * controller's environment it contains only PATH, because the guest uses this machine's programs.
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
