import { factsOf, messageOf } from '../../errors/ci-error.ts';
import { quote } from '../../ssh/quote.ts';
import type { Host } from '../../ssh/types.ts';
import { quoted } from '../../util/plain-text.ts';
import type { Check } from './item.ts';
import type { Facts } from './program.ts';

/** Programs of login shells that parse command lines as POSIX requires. */
const POSIX_SHELLS = /^(?:sh|bash|rbash|dash|ash|busybox|zsh|ksh\w*|mksh|lksh|yash)$/;

/** Concurrent sessions that a worker needs; so many are opened to see whether the server allows them. */
const SESSION_COUNT = 4;

const MORE_SESSIONS = "echo 'MaxSessions 10' > /etc/ssh/sshd_config.d/recheck-sessions.conf && systemctl reload ssh";

/** Returns the check of a worker whose login shell or SSH server runs no command. @throws any other error */
export function noCommandsCheck(error: unknown): Check {
  const { runsNoCommand, sshRefusal } = factsOf(error);
  const check = { ok: false, detail: messageOf(error) };
  if (runsNoCommand) return { what: 'shell', ...check, fix: 'chsh -s /bin/bash root' };
  if (sshRefusal === 'session') return { what: 'sessions', ...check, fix: MORE_SESSIONS };
  throw error;
}

/** Reports what is unusual about the login shell of a worker reached through SSH. */
export function checkShell(host: Host, facts: Facts): Check[] {
  const checks: Check[] = [];
  const [user = 'root'] = facts('user');
  const [shell = ''] = facts('shell');
  if (shell !== '' && !POSIX_SHELLS.test(shell.slice(shell.lastIndexOf('/') + 1))) {
    const detail = `The login shell is ${shell}. Recheck's commands run in /bin/sh nevertheless; commands that people paste there may not work.`;
    checks.push({ what: 'shell', ok: true, detail, fix: `chsh -s /bin/bash ${quote([user])}` });
  }
  if (host.noise) {
    const detail = `The login shell prints "${quoted(host.noise, 2, 200)}" before each command. Recheck ignores that, but SFTP and other tools may fail: print it in interactive shells only, with this as the first line of ~/.bashrc.`;
    checks.push({ what: 'shell', ok: true, detail, fix: 'case $- in *i*) ;; *) return ;; esac' });
  }
  return checks;
}

/** Reports a low limit of sessions per connection of a worker's SSH server. */
export async function checkSessions(host: Host, signal: AbortSignal): Promise<Check[]> {
  await Promise.all(Array.from({ length: SESSION_COUNT }, () => host.run(['true'], { signal })));
  const limit = host.sessionLimit;
  if (limit === undefined || limit >= SESSION_COUNT) return [];
  const detail = `The SSH server allows ${limit} ${limit === 1 ? 'session' : 'sessions'} per connection (MaxSessions), so Recheck opens more connections. More sessions cost less.`;
  return [{ what: 'sessions', ok: true, detail, fix: MORE_SESSIONS }];
}
