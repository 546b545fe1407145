import { readdirSync, readFileSync } from 'node:fs';
import { MARK_VARIABLE } from './guest-protocol.ts';

/** One process as /proc/PID/stat shows it (proc(5)). */
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
    return undefined; // gone meanwhile
  }
  // The name in brackets is the process's own choice: fields are counted from its last bracket.
  const [state, parent, , session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(parent), session: Number(session), zombie: state === 'Z' };
}

/** Whether the process was started with this mark. False where its environment may not be read. */
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
 * Processes of the guest with this mark, but for this one: those that carry the mark in their environment, the sessions
 * that these are in (a guest's processes never share one with others), and the descendants of all of them. So a process
 * that called setsid is found, one that lost its parent, and one that emptied its environment while its parent lives.
 */
export function guestProcesses(mark: string): number[] {
  const needle = Buffer.from(`${MARK_VARIABLE}=${mark}\0`);
  const others: ProcessStat[] = [];
  const found = new Set<number>();
  const sessions = new Set<number>();
  const take = (stat: ProcessStat) => {
    found.add(stat.pid);
    // 0: its session began outside of this process namespace, and others are in it too.
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
 * Ends every process of the guest with this mark, as cutting its power would, and waits until they are gone.
 *
 * @param timeout milliseconds
 * @returns those that are still there at the end of the time: they run as another user
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
        // Gone meanwhile, or not ours to end: the next look tells which.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
