import type { ServerChannel } from 'ssh2';
import { ACCOUNTS } from '../model/accounts.ts';
import { queryCommand } from '../model/query.ts';
import { fatal, Refusal } from '../model/refusal.ts';
import { PROJECT, type Site } from '../model/site.ts';
import type { Account } from '../model/types.ts';
import { splitCommandLine } from './command-line.ts';
import { parseOptions } from './options.ts';
import { reviewCommand } from './review-command.ts';
import { streamEvents } from './stream.ts';

/** Output of `gerrit version`: the version that the sandbox imitates. */
export const VERSION = '3.13.5-sandbox';
/** Bytes read from stdin: well over the largest review that Gerrit accepts. */
const MAX_STDIN_BYTES = 4 * 1024 * 1024;

const COMMAND_NAMES = ['ls-members', 'query', 'review', 'stream-events', 'version'];
const GROUPS: Readonly<Record<string, (account: Account) => boolean>> = {
  'Service Users': (account) => account.service,
  Administrators: (account) => account.admin,
};

/**
 * Runs a client's command and closes its channel with the exit code, or leaves it open if the command continues (a
 * stream, a fetch). `protocol` is the client's GIT_PROTOCOL. Never throws.
 */
export async function runCommand(
  site: Site,
  account: Account,
  line: string,
  channel: ServerChannel,
  protocol: string | undefined,
): Promise<void> {
  channel.on('error', () => {}); // the client disconnected; 'close' follows
  const [program = '', ...words] = splitCommandLine(line);
  try {
    if (program === 'git-upload-pack') return uploadPack(site, words, channel, protocol);
    if (program === 'git-receive-pack') throw fatal('the sandbox takes no pushes: upload on its page instead');
    if (program !== 'gerrit') throw fatal(`Gerrit Code Review: ${program}: not found`);
    const [name, ...rest] = words;
    if (name === 'stream-events') return streamEvents(site, account, rest, channel);
    const out = await gerritCommand(site, account, name, rest, channel);
    if (out) channel.write(out);
    end(channel, 0);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : fatal('internal server error');
    channel.stderr.write(refusal.message);
    end(channel, refusal.exitCode);
  }
}

async function gerritCommand(
  site: Site,
  account: Account,
  name: string | undefined,
  words: readonly string[],
  channel: ServerChannel,
): Promise<string> {
  switch (name) {
    case 'version':
      parseOptions(words, []);
      return `gerrit version ${VERSION}\n`;
    case 'ls-members':
      return lsMembers(words);
    case 'query':
      return queryCommand(site, account, words);
    case 'review':
      await reviewCommand(site, account, words, () => readAll(channel));
      return '';
    case undefined:
      throw fatal(`Available commands of gerrit are:\n\n${COMMAND_NAMES.map((one) => `   ${one}`).join('\n')}\n`);
    default:
      throw fatal(`gerrit: ${name}: not found`);
  }
}

function lsMembers(words: readonly string[]): string {
  const [group] = parseOptions(words, []).args;
  if (group === undefined) throw fatal('Argument "GROUPNAME" is required');
  if (!Object.hasOwn(GROUPS, group)) return 'Group not found or not visible\n';
  const rows = ACCOUNTS.filter(GROUPS[group]!).map(({ id, username, name, email }) => [
    id,
    username,
    name,
    email ?? 'n/a',
  ]);
  return [['id', 'username', 'full name', 'email'], ...rows].map((row) => `${row.join('\t')}\n`).join('');
}

/** Serves one fetch (`git-upload-pack '/demo'`) with git's own program. */
function uploadPack(site: Site, words: readonly string[], channel: ServerChannel, protocol: string | undefined): void {
  const name = (words.at(-1) ?? '').replace(/^\//, '').replace(/\.git$/, '');
  if (name !== PROJECT) throw fatal(`project ${name} not found`);
  const child = site.repository.uploadPack(protocol === undefined ? {} : { protocol });
  channel.on('close', () => child.kill());
  child.stdin.on('error', () => {}); // it exited before the client did
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on('error', () => end(channel, 1));
  child.on('close', (code) => end(channel, code ?? 1));
}

async function readAll(channel: ServerChannel): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of channel as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_STDIN_BYTES) throw fatal('internal error while reading review input');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Sends the exit code and closes the channel. */
export function end(channel: ServerChannel, code: number): void {
  if (channel.destroyed || channel.writableEnded) return;
  channel.exit(code);
  channel.end();
}
