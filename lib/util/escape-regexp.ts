/**
 * Returns a text with a backslash before each character that has a meaning in a regular expression, outside of a set.
 */
export const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
