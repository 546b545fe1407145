import { LABEL_NAMES, labelRange } from '../model/accounts.ts';
import { applyReview } from '../model/apply-review.ts';
import { abandon, restore, submit } from '../model/lifecycle.ts';
import { fatal, Refusal, sandboxReviewFailed } from '../model/refusal.ts';
import { readReviewInput } from '../model/review-input.ts';
import { findRevision, PROJECTS, type Site } from '../model/site.ts';
import type { Account, ReviewInput } from '../model/types.ts';
import { lastOf, type Parsed, parseOptions } from './options.ts';

const labelOption = (label: string): string => `--${label.toLowerCase()}`;

const OPTIONS = [
  { names: ['--project', '-p'], value: true },
  { names: ['--branch', '-b'], value: true },
  { names: ['--message', '-m'], value: true },
  { names: ['--tag', '-t'], value: true },
  { names: ['--notify', '-n'], value: true },
  { names: ['--label', '-l'], value: true },
  { names: ['--json', '-j'] },
  { names: ['--abandon'] },
  { names: ['--restore'] },
  { names: ['--submit', '-s'] },
  ...LABEL_NAMES.map((label) => ({ names: [labelOption(label)], value: true })),
];
const NOTIFY = ['NONE', 'OWNER', 'OWNER_REVIEWERS', 'ALL'];

/** Reads stdin of `gerrit review`; used with --json only. */
export type ReadInput = () => Promise<string>;

/**
 * Runs `gerrit review`, with flags or with --json and a ReviewInput on stdin. Prints nothing on success.
 *
 * @throws Refusal with the real server's message
 */
export async function reviewCommand(
  site: Site,
  account: Account,
  words: readonly string[],
  readInput: ReadInput,
): Promise<void> {
  const parsed = parseOptions(words, OPTIONS);
  const has = (name: string) => parsed.options.has(name);
  const flags = labelFlags(parsed);
  if (parsed.args.length === 0) throw fatal('Argument "{COMMIT | CHANGE,PATCHSET}" is required');
  const notify = lastOf(parsed, '--notify');
  if (notify !== undefined && !NOTIFY.includes(notify)) {
    throw fatal(`"${notify}" is not a valid value for "--notify"`);
  }
  const project = lastOf(parsed, '--project');
  if (project !== undefined && !PROJECTS.includes(project)) throw fatal(`project ${project} not found`);
  const targets = parsed.args.map((arg) => targetOf(site, arg, project));
  if (has('--abandon') && has('--submit')) throw fatal('abandon and submit actions are mutually exclusive');
  if (has('--abandon') && has('--restore')) throw fatal('abandon and restore actions are mutually exclusive');
  const json = has('--json');
  if (json) {
    if (has('--message')) throw fatal('json and message are mutually exclusive');
    for (const name of ['--abandon', '--restore', '--submit', '--tag']) {
      if (has(name)) throw fatal(`json and ${name.slice(2)} actions are mutually exclusive`);
    }
  }
  const message = lastOf(parsed, '--message');
  const tag = lastOf(parsed, '--tag');
  const input: ReviewInput = json
    ? readReviewInput(await readInput())
    : { ...(message && { message }), ...(tag && { tag }), labels: flags };

  for (const target of targets) {
    await site.exclusive(async () => {
      try {
        if (has('--abandon')) await asOwner(site, account, target.change, 'abandon', message);
        else if (has('--restore')) await asOwner(site, account, target.change, 'restore', message);
        else {
          await applyReview(site, account, target, input);
          if (has('--submit')) await asAdmin(site, account, target.change);
        }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        throw sandboxReviewFailed(json ? error.message : `fatal: ${error.message}`);
      }
    });
  }
}

/** Returns the votes of --label NAME=VALUE and of options such as --verified VALUE. */
function labelFlags(parsed: Parsed): Record<string, number> {
  const votes: Record<string, number> = {};
  for (const given of parsed.options.get('--label') ?? []) {
    const equals = given.indexOf('=');
    if (equals < 0) throw fatal(`Label vote missing '=': ${given}`);
    const value = given.slice(equals + 1);
    if (!/^[+-]?\d+$/.test(value)) throw fatal(`For input string: "${value}"`);
    votes[given.slice(0, equals)] = Number(value);
  }
  for (const label of LABEL_NAMES) {
    const name = labelOption(label);
    const value = lastOf(parsed, name);
    if (value === undefined) continue;
    if (!/^[+-]?\d+$/.test(value)) throw fatal(`"${value}" is not a valid value for "${name}"`);
    const { min, max } = labelRange(label)!;
    if (Number(value) < min || Number(value) > max) {
      throw fatal(`"${value}" must be in range ${min}..+${max} for "${name}"`);
    }
    votes[label] = Number(value);
  }
  return votes;
}

/** Finds the patchset of `12,3`, or of a full or abbreviated commit id. */
function targetOf(site: Site, text: string, project: string | undefined): { change: number; patchset: number } {
  const [, number, ps] = /^(\d+),(\d+)$/.exec(text) ?? [];
  if (number) {
    const change = site.state.changes.find((one) => one.number === Number(number));
    // With --project, the real server looks in that project's repository and fails there.
    if (project !== undefined && change?.project !== project) throw fatal('database error');
    if (!change) throw fatal(`"${number}" no such change`);
    const patchset = change.patchsets.find((one) => one.number === Number(ps));
    if (!patchset) throw fatal(`"${text}" no such patch set`);
    return { change: change.number, patchset: patchset.number };
  }
  if (!/^[0-9a-f]{4,40}$/.test(text)) throw fatal(`"${text}" is not a valid patch set`);
  const found = findRevision(site.state, text);
  if (!found || (project !== undefined && found.change.project !== project)) {
    throw fatal(`"${text}" no such patch set`);
  }
  return { change: found.change.number, patchset: found.patchset.number };
}

async function asOwner(
  site: Site,
  account: Account,
  number: number,
  action: 'abandon' | 'restore',
  reason: string | undefined,
): Promise<void> {
  const change = site.change(number);
  if (!account.admin && change.owner !== account.username) throw new Refusal(`${action} not permitted`);
  if (change.status !== (action === 'abandon' ? 'NEW' : 'ABANDONED')) {
    throw new Refusal(`change is ${change.status.toLowerCase()}`);
  }
  await (action === 'abandon' ? abandon : restore)(site, account, number, reason);
}

async function asAdmin(site: Site, account: Account, number: number): Promise<void> {
  if (!account.admin) throw new Refusal('submit not permitted');
  const { status } = site.change(number);
  if (status !== 'NEW') throw new Refusal(`change is ${status.toLowerCase()}`);
  await submit(site, account, number);
}
