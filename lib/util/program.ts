import { readFileSync } from 'node:fs';

/**
 * Returns the text of a shell program that has a file of its own, `shell/<name>.sh` beside the caller, so that
 * shellcheck can read it.
 *
 * @param url the caller's `import.meta.url`
 */
export const program = (url: string, name: string): string => readFileSync(new URL(`shell/${name}.sh`, url), 'utf8');
