import { PassThrough } from 'node:stream';
import { connectionLost } from '../../lib/errors/ssh.ts';
import { READY } from '../../lib/ssh/script.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { greeting, isGreeting } from '../support/greeting.ts';

/**
 * A guest that runs nothing; a script prints its own text.
 *
 * @param did collects what happened
 * @param exitCode of each script
 * @param sealing exit code of the script that seals the image; null if its connection is lost meanwhile
 */
export function sayingGuest(did: string[], exitCode: number, sealing: number | null = 0): Host {
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
      const { promise: exit, resolve, reject } = Promise.withResolvers<{ code: number }>();
      stdin.once('data', (chunk: Buffer) => {
        const text = chunk.toString().trim();
        const seal = text.includes('/etc/machine-id');
        did.push(seal ? 'seal' : text);
        stderr.end(`${READY}\n`);
        stdout.end(seal ? '' : `${text}\nthe end of ${text}\n`);
        if (!seal) resolve({ code: exitCode });
        else if (sealing !== null) resolve({ code: sealing });
        else reject(connectionLost({ label: 'guest', user: 'root', host: '192.0.2.1', port: 22 }));
      });
      return { stdin, stdout, stderr, exit, close: () => {} };
    },
  } as Partial<Host> as Host;
}
