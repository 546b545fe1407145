/**
 * Splits a command as Gerrit's SSH daemon does, which is not a shell: only space and tab separate, a newline is an
 * ordinary character; `'…'` is literal; in `"…"` and in bare words a backslash makes the next character literal;
 * nothing is expanded. An empty argument vanishes, an open quote takes the rest. Source:
 * CommandFactoryProvider/SshCommand, `BaseCommand.split` of Gerrit.
 */
export function splitCommandLine(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote === "'" && c !== "'") word += c;
    else if (c === '\\' && quote !== "'") word += text[++i] ?? '';
    else if (quote) {
      if (c === quote) quote = '';
      else word += c;
    } else if (c === "'" || c === '"') quote = c;
    else if (c === ' ' || c === '\t') {
      if (word) words.push(word);
      word = '';
    } else word += c;
  }
  if (word) words.push(word);
  return words;
}
