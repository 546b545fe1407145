/**
 * Returns a text in single quotes, as one word of a POSIX shell's command line (POSIX, Shell Command Language, 2.2.2).
 */
export const quoteWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
