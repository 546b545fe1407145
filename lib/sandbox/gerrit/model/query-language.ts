import { accountOf } from './accounts.ts';
import type { Account, Change } from './types.ts';

/** A query that cannot be run, with Gerrit's message. */
export class QueryError extends Error {}

type Predicate = (change: Change) => boolean;

/** A compiled query. */
export interface Query {
  matches: Predicate;
  /** The value of `limit:`. */
  limit?: number;
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  second: 1,
  seconds: 1,
  m: 60,
  min: 60,
  minute: 60,
  minutes: 60,
  h: 3600,
  hr: 3600,
  hour: 3600,
  hours: 3600,
  d: 86400,
  day: 86400,
  days: 86400,
  w: 604800,
  week: 604800,
  weeks: 604800,
  mon: 2592000,
  month: 2592000,
  months: 2592000,
  y: 31536000,
  year: 31536000,
  years: 31536000,
};

/**
 * Compiles a query in the part of Gerrit's language that a CI uses: status: is: project: branch: topic: change: owner:
 * commit: message: limit: after: before: age:, AND, OR, NOT, `-`, parentheses, "…" and {…}. Everything else is refused
 * as Gerrit refuses an unknown operator, so that a query never finds too much.
 */
export function compileQuery(text: string, self: Account): Query {
  const tokens = tokenize(text);
  if (tokens.length === 0) throw new QueryError('Query is empty');
  const query: Query = { matches: () => true };
  const eof = () => new QueryError("line 1:1 no viable alternative at input '<EOF>'");
  const next = () => tokens.shift();

  const either = (): Predicate => {
    const parts = [all()];
    while (tokens[0] === 'OR') {
      next();
      parts.push(all());
    }
    return (change) => parts.some((part) => part(change));
  };
  const all = (): Predicate => {
    const parts = [one()];
    while (tokens.length > 0 && tokens[0] !== 'OR' && tokens[0] !== ')') {
      if (tokens[0] === 'AND') next();
      parts.push(one());
    }
    return (change) => parts.every((part) => part(change));
  };
  const one = (): Predicate => {
    const token = next();
    if (token === undefined || token === ')') throw eof();
    if (token === 'NOT' || token === '-') {
      const inner = one();
      return (change) => !inner(change);
    }
    if (token === '(') {
      const inner = either();
      if (next() !== ')') throw eof();
      return inner;
    }
    return operator(token, self, query);
  };
  query.matches = either();
  return query;
}

/**
 * Splits a query into words, with `(`, `)` and a leading `-` as separate tokens; quotes and braces keep a value
 * together.
 */
function tokenize(text: string): string[] {
  const pattern = /\s+|(?<sign>[()]|-(?=\S))|(?<word>(?:[^\s()"{]|"[^"]*"?|\{[^}]*\}?)+)/gy;
  const tokens: string[] = [];
  for (const { groups } of text.matchAll(pattern)) {
    const token = groups?.['sign'] ?? groups?.['word'];
    if (token) tokens.push(token);
  }
  return tokens;
}

function operator(token: string, self: Account, query: Query): Predicate {
  const colon = token.indexOf(':');
  const name = colon < 0 ? '' : token.slice(0, colon);
  const value = token
    .slice(colon + 1)
    .replace(/^"(.*?)"?$/, '$1')
    .replace(/^\{(.*?)\}?$/, '$1');
  switch (name) {
    case 'status':
    case 'is':
      return status(value);
    case 'project':
    case 'p':
      return named(value, (change) => change.project);
    case 'branch':
      return named(value.replace(/^refs\/heads\//, ''), (change) => change.branch);
    case 'change':
      return (change) => [String(change.number), change.id, `${change.project}~${change.number}`].includes(value);
    case 'owner':
    case 'o':
      return owner(value, self);
    case 'commit':
      return (change) => change.patchsets.some((one) => one.revision.startsWith(value));
    case 'message':
      return (change) => change.patchsets.at(-1)!.commitMessage.toLowerCase().includes(value.toLowerCase());
    case 'topic':
      return () => false;
    case 'limit':
      if (!/^-?\d+$/.test(value)) throw new QueryError(`Invalid limit: ${value}`);
      if (Number(value) <= 0) throw new QueryError(`limit must be positive: ${value}`);
      query.limit = Number(value);
      return () => true;
    case 'after':
    case 'since': {
      const from = date(value);
      return (change) => change.updatedOn >= from;
    }
    case 'before':
    case 'until': {
      const until = date(value);
      return (change) => change.updatedOn <= until;
    }
    case 'age':
      return age(token, value);
    case '':
      return bare(value);
    default:
      throw new QueryError(`Unsupported operator ${token}`);
  }
}

function status(value: string): Predicate {
  const word = value.toLowerCase();
  if (['open', 'new', 'pending'].includes(word)) return (change) => change.status === 'NEW';
  if (word === 'closed') return (change) => change.status !== 'NEW';
  if (['merged', 'abandoned'].includes(word)) return (change) => change.status === word.toUpperCase();
  if (word === 'wip' || word === 'private') return () => false;
  throw new QueryError(`Unrecognized value: ${value}`);
}

/** Matches an exact name, or with a leading `^` an expression for the whole name. */
function named(value: string, of: (change: Change) => string): Predicate {
  if (!value.startsWith('^')) return (change) => of(change) === value;
  try {
    const pattern = new RegExp(`^(?:${value.slice(1)})$`);
    return (change) => pattern.test(of(change));
  } catch {
    throw new QueryError(`invalid regular expression: ${value}`);
  }
}

function owner(value: string, self: Account): Predicate {
  const who = value === 'self' || value === 'me' ? self.username : value;
  return (change) => change.owner === who || accountOf(change.owner).email === who;
}

/**
 * Returns a time in milliseconds: `2026-11-22`, `2026-11-22 16:00:00[.000][ +0000]`, in UTC unless it has a time zone.
 */
function date(value: string): number {
  const [, day, time = '00:00:00', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?: ?([+-]\d{4}))?)?$/.exec(value) ?? [];
  const at = Date.parse(`${day}T${time}${zone.replace(/(\d\d)$/, zone === 'Z' ? '$1' : ':$1')}`);
  if (Number.isNaN(at)) throw new QueryError(`Invalid date format: ${value}`);
  return at;
}

/** Matches changes that have not been updated for a time. */
function age(token: string, value: string): Predicate {
  const parts = [...value.matchAll(/(\d+) ?([a-z]+)? ?/gy)];
  const total = parts.reduce((sum, [, count, unit = 's']) => sum + Number(count) * (UNITS[unit] ?? Number.NaN), 0);
  if (parts.map(([whole]) => whole).join('') !== value || value === '' || Number.isNaN(total)) {
    throw new QueryError(`Error in operator ${token}`);
  }
  const until = Date.now() - total * 1000;
  return (change) => change.updatedOn <= until;
}

/** Matches a word without an operator: a change's number, its Change-Id, a commit, or text of its message. */
function bare(value: string): Predicate {
  if (/^\d+$/.test(value)) return (change) => change.number === Number(value);
  if (/^I[0-9a-f]{8,40}$/.test(value)) return (change) => change.id.startsWith(value);
  return (change) =>
    (/^[0-9a-f]{7,40}$/.test(value) && change.patchsets.some((one) => one.revision.startsWith(value))) ||
    change.patchsets.at(-1)!.commitMessage.includes(value);
}
