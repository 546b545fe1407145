import { readdirSync, readFileSync } from 'node:fs';
import { MARK_VARIABLE } from './guest-protocol.ts';

/** A process from /proc/PID/stat (proc(5)). */
interface ProcessStat {
  pid: number;
  parent: number;
  session: number;
  zombie: boolean;
}

function statOf(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // it has ended
  }
  // The process chooses the name in brackets, so fields are counted from the last bracket.
  const [state, parent, , session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(parent), session: Number(session), zombie: state === 'Z' };
}

/** Whether a process was started with this mark; false if its environment cannot be read. */
function isMarked(pid: number, mark: Buffer): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`);
    const at = environment.indexOf(mark);
    return at === 0 || (at > 0 && environment[at - 1] === 0);
  } catch {
    return false;
  }
}

/**
 * Returns the processes of the guest with this mark, except this one: those with the mark in their environment, those
 * in the same sessions (which a guest's processes never share with others), and the descendants of all of them. This
 * finds processes that called setsid, lost their parent, or cleared their environment while their parent is alive.
 */
export function guestProcesses(mark: string): number[] {
  const needle = Buffer.from(`${MARK_VARIABLE}=${mark}\0`);
  const others: ProcessStat[] = [];
  const found = new Set<number>();
  const sessions = new Set<number>();
  const take = (stat: ProcessStat) => {
    found.add(stat.pid);
    // 0 means a session from outside this process namespace, which other processes share.
    if (stat.session !== 0) sessions.add(stat.session);
  };
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  for (const entry of entries) {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : undefined;
    if (!stat || stat.zombie) continue;
    if (isMarked(stat.pid, needle)) take(stat);
    else others.push(stat);
  }
  for (let grew = true; grew; ) {
    grew = false;
    for (const stat of others) {
      if (found.has(stat.pid) || !(found.has(stat.parent) || sessions.has(stat.session))) continue;
      take(stat);
      grew = true;
    }
  }
  found.delete(process.pid);
  return [...found];
}

/**
 * Kills every process of the guest with this mark and waits until they are gone.
 *
 * @param timeout milliseconds
 * @returns those that are left after that: they run as another user
 */
export async function endGuestProcesses(mark: string, timeout: number): Promise<number[]> {
  const deadline = Date.now() + timeout;
  for (;;) {
    const left = guestProcesses(mark);
    if (left.length === 0 || Date.now() > deadline) return left;
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended, or may not be killed: the next iteration shows which.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
