import { program } from '../../util/program.ts';
import type { Virsh } from '../virsh.ts';

/** Bytes kept of a console's beginning, and of its end: what a guest writes has no bound. */
const KEPT = 1024 * 1024;

const READ = program(import.meta.url, 'read-console');

/** What a guest wrote to its serial console so far; undefined where there is no such file. */
export async function readConsole(virsh: Virsh, file: string, signal: AbortSignal): Promise<string | undefined> {
  const what = `the reading of the console ${file}`;
  const answer = await virsh.askProgram(READ, [file, `${KEPT}`], { signal, what, limit: 2 * KEPT + 200 });
  return answer.code === 10 ? undefined : answer.stdout;
}
