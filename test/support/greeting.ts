import { READ_BOOT_ID } from '../../lib/guests/programs.ts';
import type { RunResult } from '../../lib/ssh/types.ts';

/** What a guest that admits us answers to the first command, in this boot of it. */
export const greeting = (boot: string): RunResult => ({ code: 0, stdout: `${boot}\n`, stderr: '' });

/** Whether a command is that first one. */
export const isGreeting = (argv: readonly string[]): boolean => argv.at(-1) === READ_BOOT_ID;
