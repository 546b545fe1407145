import { PassThrough } from 'node:stream';
import { READY } from '../../lib/ssh/script-programs.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { greeting, isGreeting } from '../support/greeting.ts';

/**
 * A guest that runs nothing: a script says its own text.
 *
 * @param did what is noted of it
 * @param exitCode of each script
 */
export function sayingGuest(did: string[], exitCode: number): Host {
  return {
    label: 'guest',
    gone: new AbortController().signal,
    close: () => did.push('logout'),
    async run(argv: readonly string[]) {
      if (isGreeting(argv)) return greeting('boot-1');
      did.push('cloud-init');
      return { code: 0, stdout: '', stderr: '' };
    },
    async start(): ReturnType<Host['start']> {
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const { promise: exit, resolve } = Promise.withResolvers<{ code: number }>();
      stdin.once('data', (chunk: Buffer) => {
        const text = chunk.toString().trim();
        const seal = text.includes('/etc/machine-id');
        did.push(seal ? 'seal' : text);
        stderr.end(`${READY}\n`);
        stdout.end(seal ? '' : `${text}\nthe end of ${text}\n`);
        resolve({ code: seal ? 0 : exitCode });
      });
      return { stdin, stdout, stderr, exit, close: () => {} };
    },
  } as Partial<Host> as Host;
}
