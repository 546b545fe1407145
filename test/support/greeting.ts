import { READ_BOOT_ID } from '../../lib/guests/programs.ts';
import type { RunResult } from '../../lib/ssh/types.ts';

/** Returns a guest's answer to the first command after a login, for a boot id. */
export const greeting = (boot: string): RunResult => ({ code: 0, stdout: `${boot}\n`, stderr: '' });

/** Returns whether a command is that first one. */
export const isGreeting = (argv: readonly string[]): boolean => argv.at(-1) === READ_BOOT_ID;
