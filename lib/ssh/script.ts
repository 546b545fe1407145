import { factsOf } from '../errors/ci-error.ts';
import { badEnvironment, badUser, scriptNotStarted } from '../errors/ssh-command.ts';
import { READY, RUN_SCRIPT, SWITCH_USER, WATCH } from './script-programs.ts';
import type { Exit, Host, Running } from './types.ts';

/** A script as a step runs it. */
export interface Script {
  text: string;
  /** Program and arguments, split at spaces; `/bin/bash -xe` where empty. The script's file is added at its end. */
  interpreter: string;
  /** Who it runs as, where not as the login. */
  user?: string;
  /** Added to the login's environment. Names are letters, digits and underscore. */
  env: Record<string, string>;
  /** Milliseconds. */
  timeout: number;
}

export interface ScriptResult extends Exit {
  /** Milliseconds. */
  duration: number;
  /** Whether its time was over before it ended. Then code and signal tell how it was ended, where that is known. */
  timedOut: boolean;
}

export interface ScriptOptions {
  signal: AbortSignal;
  /** What the script wrote, stdout and stderr in their order. While a returned promise is open, nothing more is read. */
  onOutput: (chunk: Buffer) => void | Promise<void>;
}

const DEFAULT_INTERPRETER = '/bin/bash -xe';

/** How long the end of a script may take on its target (a second, two and three, there) before its channel is cut. */
const END_LIMIT = 15_000;

/** A longer timer would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Characters kept of what the target says on stderr before the script runs. */
const SAID_LIMIT = 8192;

/**
 * Runs a script on a host, from a private file, with its environment in another, and with no stdin: a command in it
 * that reads stdin eats nothing. Its end, by itself, by the time limit or by the signal, is the end of its whole
 * session there, and of its files; the same holds where the connection is lost.
 *
 * Resolves however the script ended. Rejects with a CiError where it could not be started or the connection was lost,
 * with the signal's reason after an abort, and with what `onOutput` threw.
 */
export async function runScript(host: Host, script: Script, options: ScriptOptions): Promise<ScriptResult> {
  const { signal, onOutput } = options;
  signal.throwIfAborted();
  const environment = Buffer.from(exports(script.env));
  const text = Buffer.from(script.text.endsWith('\n') ? script.text : `${script.text}\n`);
  const argv = command(script, environment.length, text.length);

  const began = performance.now();
  const running = await open(host, argv, signal);
  const said = readFaults(running);
  let end: 'timeout' | 'abort' | 'output' | undefined;
  let outputError: unknown;
  let cut: NodeJS.Timeout | undefined;
  const stop = (why: 'timeout' | 'abort' | 'output'): void => {
    if (end !== undefined) return;
    end = why;
    running.stdin.end();
    cut = setTimeout(running.close, END_LIMIT);
  };
  readOutput(running, onOutput, {
    wanted: () => end === undefined || end === 'timeout',
    failed(error) {
      outputError = error;
      stop('output');
    },
  });
  const onAbort = (): void => stop('abort');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = setTimeout(stop, Math.min(script.timeout, LONGEST_TIMER), 'timeout');
  running.stdin.on('error', () => {});
  running.stdin.write(Buffer.concat([environment, text]));

  let exit: Exit = {};
  try {
    // The watcher beside the script lets go of stderr when all is cleaned up.
    [exit] = await Promise.all([running.exit, said.over]);
  } catch (error) {
    if (end === 'abort') throw signal.reason;
    // A channel that was cut after its time tells nothing more.
    if (end === undefined || !factsOf(error).isCancelled) throw error;
  } finally {
    clearTimeout(timer);
    clearTimeout(cut);
    signal.removeEventListener('abort', onAbort);
  }
  if (end === 'abort') throw signal.reason;
  if (end === 'output') throw outputError;
  if (!said.ready && end === undefined) throw scriptNotStarted(host.label, script.user, said.text());
  return { ...exit, duration: Math.round(performance.now() - began), timedOut: end === 'timeout' };
}

/** Opens the channel; an abort while it opens closes it, an abort later is `runScript`'s own. */
async function open(host: Host, argv: string[], signal: AbortSignal): Promise<Running> {
  const opening = new AbortController();
  const onAbort = (): void => opening.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await host.start(argv, { signal: opening.signal });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function command(script: Script, environmentBytes: number, scriptBytes: number): string[] {
  const { user } = script;
  if (user !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(user)) throw badUser(user);
  const words = (script.interpreter.trim() || DEFAULT_INTERPRETER).split(/\s+/);
  // rally-ci fed scripts on stdin: its interpreters end in `-s` or `-`.
  if (words.length > 1 && /^-s?$/.test(words.at(-1)!)) words.pop();
  const sizes = [String(environmentBytes), String(scriptBytes)];
  const run = ['/bin/sh', '-c', RUN_SCRIPT, 'script', WATCH, user ?? '', ...sizes, ...words];
  return user === undefined ? run : ['/bin/sh', '-c', SWITCH_USER, 'switch-user', user, ...run];
}

/** The environment as lines that a shell reads; never empty, since some `dd` take a count of 0 for "all". */
function exports(env: Record<string, string>): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw badEnvironment(name, 'a name is letters, digits and underscores, and starts with no digit');
    }
    if (value.includes('\0')) throw badEnvironment(name, 'its value has a NUL character');
    return `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`;
  });
  return lines.join('') || '\n';
}

/** Reads stderr: what is said before the script runs is why it could not; later only the watcher could speak there. */
function readFaults(running: Running): { readonly ready: boolean; over: Promise<void>; text(): string } {
  let text = '';
  let ready = false;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  running.stderr.once('end', resolve).once('close', resolve).once('error', resolve);
  running.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (ready) return;
    text = (text + chunk).slice(-SAID_LIMIT);
    ready = text.includes(READY);
  });
  return {
    get ready() {
      return ready;
    },
    over,
    // dd counts its records there.
    text: () => text.replace(/^\d+(\+\d+ records (in|out)| bytes? .*)\n?/gm, '').trim(),
  };
}

function readOutput(
  running: Running,
  onOutput: ScriptOptions['onOutput'],
  { wanted, failed }: { wanted: () => boolean; failed: (error: unknown) => void },
): void {
  const { stdout } = running;
  let busy: Promise<void> | undefined;
  const hand = async (chunk: Buffer): Promise<void> => {
    if (wanted()) await onOutput(chunk);
  };
  const wait = (work: Promise<void>): void => {
    stdout.pause();
    const mine = work.catch(failed).then(() => {
      if (busy !== mine) return;
      busy = undefined;
      stdout.resume();
    });
    busy = mine;
  };
  stdout.on('data', (chunk: Buffer) => {
    if (!wanted()) return;
    // Node resumes a child's output when the child ends, whoever paused it: what comes then stands in line.
    if (busy !== undefined) {
      wait(busy.then(() => hand(chunk)));
      return;
    }
    try {
      const work = onOutput(chunk);
      if (work !== undefined) wait(work);
    } catch (error) {
      failed(error);
    }
  });
}
