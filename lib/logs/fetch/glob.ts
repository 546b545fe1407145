import picomatch from 'picomatch';

/** A path whose last segment holds a glob. */
export interface GlobPath {
  /** Path of the folder to look in; `.` for the current one. */
  folder: string;
  /** Whether a name in that folder matches. */
  matches: (name: string) => boolean;
}

/** Splits a path before a last segment that holds a glob; undefined if it holds none. */
export function splitGlob(path: string): GlobPath | undefined {
  const slash = path.lastIndexOf('/');
  const last = path.slice(slash + 1);
  if (!/[*?[]/.test(last)) return undefined;
  const pattern = globPattern(last);
  return { folder: slash === -1 ? '.' : path.slice(0, slash) || '/', matches: (name) => pattern.test(name) };
}

/** Only `*`, `?` and sets, as in glob(7); no braces, no `+(…)`, no negation of the whole, nothing across folders. */
const OPTIONS = {
  noextglob: true,
  nobrace: true,
  nonegate: true,
  noglobstar: true,
  posix: true,
  dot: true,
  keepQuotes: true,
  literalBrackets: false,
  fastpaths: false,
};

/** What picomatch makes of a `*`. */
const STAR = '[^/]*?';

const NOTHING = /(?!)/;

/**
 * Returns the expression of a shell's `*`, `?` and `[…]` for one name; as there, names with a leading dot need a dot in
 * the pattern.
 *
 * Names come from guests, and the expression that picomatch returns takes minutes to refuse a long one if it has a few
 * stars. So each star takes the shortest text that lets the part behind it match, and is never tried again (a lookahead
 * is atomic): as all parts have a fixed length, a match is found if there is one, in linear time.
 */
function globPattern(glob: string): RegExp {
  const dot = /^\\?\./.test(glob) ? '' : '(?!\\.)';
  try {
    const [head = '', ...parts] = picomatch.makeRe(plainSigns(glob), OPTIONS, true).toString().split(STAR);
    const tail = parts.pop();
    const atomic = parts.map((part, index) => `(?=(${STAR}${part}))\\${index + 1}`).join('');
    const source = tail === undefined ? head : `${head}${atomic}${STAR}${tail}`;
    // An optional slash at the end is for folders; `\#` and the like are no escapes of a Unicode expression.
    const strict = source.replace(/\\\/\?$/, '').replace(/\\([#&"~<>=!@%,;:_` '])/g, '$1');
    return new RegExp(`^${dot}${strict}$`, 'su');
  } catch {
    // A set that is none, such as [z-a], matches nothing.
    return NOTHING;
  }
}

/** An escaped character, a closed set, or a character that picomatch would not take as it is. */
const SPECIAL = /\\(?<escaped>.)|(?<set>\[[!^]?(?:\]|(?!\]))(?:\[:\w*:\]|\\.|[^\]\\])*\])|[[+(){}|@"]/gsu;

/**
 * Escapes what picomatch leaves to the expression, a `[` without its `]`, and takes the backslash off what needs none.
 */
const plainSigns = (glob: string): string =>
  glob.replace(SPECIAL, (sign, escaped: string | undefined, set: string | undefined) => {
    if (set !== undefined) return set;
    if (escaped === undefined) return `\\${sign}`;
    return /[\p{L}\p{N}_\s-]/u.test(escaped) ? escaped : sign;
  });
