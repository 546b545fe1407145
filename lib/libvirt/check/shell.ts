import { factsOf, messageOf } from '../../errors/ci-error.ts';
import { quote } from '../../ssh/quote.ts';
import type { Host } from '../../ssh/types.ts';
import { quoted } from '../../util/plain-text.ts';
import type { Check } from './item.ts';
import type { Facts } from './program.ts';

/** Login shells that read command lines as POSIX says, by the name of their program. */
const POSIX_SHELLS = /^(?:sh|bash|rbash|dash|ash|busybox|zsh|ksh\w*|mksh|lksh|yash)$/;

/** Sessions that are opened at once to learn whether the server takes so many: what a worker needs without waiting. */
const SESSION_COUNT = 4;

const MORE_SESSIONS = "echo 'MaxSessions 10' > /etc/ssh/sshd_config.d/recheck-sessions.conf && systemctl reload ssh";

/** The check of a worker on which no command can be run: its login shell, or its SSH server, does not. Rethrows the rest. */
export function noCommandsCheck(error: unknown): Check {
  const { runsNoCommand, sshRefusal } = factsOf(error);
  const check = { ok: false, detail: messageOf(error) };
  if (runsNoCommand) return { what: 'shell', ...check, mend: 'chsh -s /bin/bash root' };
  if (sshRefusal === 'session') return { what: 'sessions', ...check, mend: MORE_SESSIONS };
  throw error;
}

/** What is unusual about the login shell of a worker that is reached by SSH, and what it costs. Nothing if it is usual. */
export function checkShell(host: Host, facts: Facts): Check[] {
  const checks: Check[] = [];
  const [user = 'root'] = facts('user');
  const [shell = ''] = facts('shell');
  if (shell !== '' && !POSIX_SHELLS.test(shell.slice(shell.lastIndexOf('/') + 1))) {
    const detail = `The login shell is ${shell}. Recheck's commands run in /bin/sh all the same; what people run there by hand may not.`;
    checks.push({ what: 'shell', ok: true, detail, mend: `chsh -s /bin/bash ${quote([user])}` });
  }
  if (host.noise) {
    const detail = `The login shell prints "${quoted(host.noise, 2, 200)}" before each command. Recheck leaves that out, but SFTP and other tools may fail by it: print it in interactive shells only, by this as the first line of ~/.bashrc.`;
    checks.push({ what: 'shell', ok: true, detail, mend: 'case $- in *i*) ;; *) return ;; esac' });
  }
  return checks;
}

/** Finds out how many sessions a worker's SSH server takes on one connection; nothing to say if that is enough. */
export async function checkSessions(host: Host, signal: AbortSignal): Promise<Check[]> {
  await Promise.all(Array.from({ length: SESSION_COUNT }, () => host.run(['true'], { signal })));
  const limit = host.sessionLimit;
  if (limit === undefined || limit >= SESSION_COUNT) return [];
  const detail = `The SSH server takes ${limit} ${limit === 1 ? 'session' : 'sessions'} on a connection (MaxSessions), so Recheck makes further connections. More sessions cost less.`;
  return [{ what: 'sessions', ok: true, detail, mend: MORE_SESSIONS }];
}
