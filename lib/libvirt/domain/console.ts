import { program } from '../../util/program.ts';
import type { Virsh } from '../virsh.ts';

/** How much of a console's beginning, and of its end, is kept: a guest's output is unbounded. */
const KEPT_BYTES = 1024 * 1024;

const READ = program(import.meta.url, 'read-console');

/** Returns a guest's serial console so far; undefined if there is no such file. */
export async function readConsole(virsh: Virsh, file: string, signal: AbortSignal): Promise<string | undefined> {
  const what = `the reading of the console ${file}`;
  const answer = await virsh.askProgram(READ, [file, `${KEPT_BYTES}`], { signal, what, limit: 2 * KEPT_BYTES + 200 });
  return answer.code === 10 ? undefined : answer.stdout;
}
