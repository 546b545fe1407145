/** Splits a path before a last segment that holds a glob; undefined where there is none. */
export function splitGlob(path: string): { folder: string; pattern: RegExp } | undefined {
  const slash = path.lastIndexOf('/');
  const last = path.slice(slash + 1);
  if (!/[*?[]/.test(last)) return undefined;
  return { folder: slash === -1 ? '.' : path.slice(0, slash) || '/', pattern: globPattern(last) };
}

/** A shell's `*`, `?` and `[…]` for one name; as there, names with a leading dot need a dot in the pattern. */
function globPattern(glob: string): RegExp {
  let source = glob.startsWith('.') ? '' : '(?!\\.)';
  for (let at = 0; at < glob.length; at++) {
    const sign = glob[at]!;
    const end = sign === '[' ? glob.indexOf(']', at + 2) : -1;
    if (sign === '*') {
      // Two stars in a row mean one; more than that would only make matching slow.
      if (glob[at - 1] !== '*') source += '[^/]*';
    } else if (sign === '?') source += '[^/]';
    else if (end !== -1) {
      const set = glob.slice(at + 1, end).replace(/[\\\]]/g, '\\$&');
      source += `[${set.startsWith('!') ? `^${set.slice(1)}` : set.replace(/^\^/, '\\^')}]`;
      at = end;
    } else source += sign.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  try {
    return new RegExp(`^${source}$`, 'su');
  } catch {
    // A set that is none, such as [z-a], matches nothing.
    return /(?!)/;
  }
}
