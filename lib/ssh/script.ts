import { factsOf } from '../errors/ci-error.ts';
import { badEnvironment, badUser, scriptNotStarted } from '../errors/ssh-command.ts';
import { program } from '../util/program.ts';
import { quoteWord } from '../util/shell-quote.ts';
import type { Exit, Host, Running } from './types.ts';

/*
 * The programs that run a script on its target. They need mktemp, dd, wc, cat and rm; setsid and /proc, if present, let
 * them end everything that a script started.
 */
const SWITCH_USER = program(import.meta.url, 'switch-user');
const RUN_SCRIPT = program(import.meta.url, 'run-script');
const WATCH = program(import.meta.url, 'watch');

/** What run-script.sh prints on stderr when the script is about to run; a fault before it is not the script's. */
export const READY = 'recheck: the script runs';

/** A script that a step runs. */
export interface Script {
  text: string;
  /** Program and arguments, split at spaces; `/bin/bash -xe` if empty. The script's file is the last argument. */
  interpreter: string;
  /** The user to run it as, if not the login. */
  user?: string;
  /** Added to the login's environment. Names consist of letters, digits and underscores. */
  env: Record<string, string>;
  /** Milliseconds. */
  timeout: number;
}

/** How a script ended. */
export interface ScriptResult extends Exit {
  /** Milliseconds. */
  duration: number;
  /** Whether it exceeded its time limit. Then code and signal tell how it was ended, if that is known. */
  timedOut: boolean;
}

/** Where a script's output goes, and what aborts it. */
export interface ScriptOptions {
  signal: AbortSignal;
  /** Called with the script's output, stdout and stderr in order. While a returned promise is pending, nothing is read. */
  onOutput: (chunk: Buffer) => void | Promise<void>;
}

const DEFAULT_INTERPRETER = '/bin/bash -xe';

/** Milliseconds that ending a script may take on its target (watch.sh needs up to six) before its channel is closed. */
const END_TIMEOUT_MS = 15_000;

/** The longest timer in milliseconds: a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Characters that are kept of the target's stderr before the script runs. */
const MAX_FAULT_CHARS = 8192;

/**
 * Runs a script on a host, from a private file, with its environment in another, and with an empty stdin. When it ends,
 * exceeds its time limit or is aborted, or if the connection is lost, its whole session there is ended and its files are
 * removed.
 *
 * @returns however the script ended
 * @throws CiError if it could not be started or the connection was lost; the signal's reason; what `onOutput` threw
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
    cut = setTimeout(running.close, END_TIMEOUT_MS);
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
  const timer = setTimeout(stop, Math.min(script.timeout, MAX_TIMER_MS), 'timeout');
  running.stdin.on('error', () => {});
  running.stdin.write(Buffer.concat([environment, text]));

  let exit: Exit = {};
  try {
    // watch.sh closes stderr when everything is cleaned up.
    [exit] = await Promise.all([running.exit, said.over]);
  } catch (error) {
    if (end === 'abort') throw signal.reason;
    // A channel that was closed after END_TIMEOUT_MS has no exit.
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

/** Opens the channel. An abort meanwhile closes it; a later one is handled by `runScript`. */
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
  // rally-ci passed scripts on stdin: its interpreters end with `-s` or `-`.
  if (words.length > 1 && /^-s?$/.test(words.at(-1)!)) words.pop();
  const sizes = [String(environmentBytes), String(scriptBytes)];
  const run = ['/bin/sh', '-c', RUN_SCRIPT, 'script', WATCH, user ?? '', ...sizes, ...words];
  return user === undefined ? run : ['/bin/sh', '-c', SWITCH_USER, 'switch-user', user, ...run];
}

/** Returns the environment as lines for a shell; never empty, since to some `dd` a count of 0 means "all". */
function exports(env: Record<string, string>): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw badEnvironment(name, 'a name consists of letters, digits and underscores, and does not start with a digit');
    }
    if (value.includes('\0')) throw badEnvironment(name, 'its value has a NUL character');
    return `export ${name}=${quoteWord(value)}\n`;
  });
  return lines.join('') || '\n';
}

/** Reads stderr: what comes before READY is the reason why the script did not start; later only watch.sh writes there. */
function readFaults(running: Running): { readonly ready: boolean; over: Promise<void>; text(): string } {
  let text = '';
  let ready = false;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  running.stderr.once('end', resolve).once('close', resolve).once('error', resolve);
  running.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (ready) return;
    text = (text + chunk).slice(-MAX_FAULT_CHARS);
    ready = text.includes(READY);
  });
  return {
    get ready() {
      return ready;
    },
    over,
    // dd prints its record counts there.
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
  const pass = async (chunk: Buffer): Promise<void> => {
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
    // Node resumes a child's output when the child ends, even if it is paused: what comes then waits its turn.
    if (busy !== undefined) {
      wait(busy.then(() => pass(chunk)));
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
