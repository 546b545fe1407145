import { readFileSync } from 'node:fs';

/**
 * Returns the text of a shell program that is a file of its own, `shell/<name>.sh` beside the caller: shellcheck reads it
 * there. It is read once, when its caller is loaded.
 *
 * @param url the caller's `import.meta.url`
 */
export const program = (url: string, name: string): string => readFileSync(new URL(`shell/${name}.sh`, url), 'utf8');
