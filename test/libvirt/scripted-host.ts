import type { Host, RunResult } from '../../lib/ssh/types.ts';

/** A host whose commands a function answers in place of virsh and the programs. */
export function scriptedHost(answer: (argv: readonly string[]) => Partial<RunResult>): Host {
  return {
    label: 'worker host-a',
    gone: new AbortController().signal,
    async run(argv: readonly string[]) {
      return { code: 0, stdout: '', stderr: '', ...answer(argv) };
    },
  } as unknown as Host;
}
