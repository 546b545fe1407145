import {
  commandMissing,
  notRemoved,
  notRoot,
  placeMissing,
  placeUnmounted,
  saysDiskFull,
  storageBusy,
  storageFull,
  workFailed,
  wrongFileSystem,
} from '../errors/storage.ts';
import type { Host, HostSource, RunResult } from '../ssh/types.ts';
import type { Backend } from './backends/backend.ts';
import { DIAGNOSE, EXIT, program } from './programs/programs.ts';
import { commandOf, readStuck, reasonOf } from './stuck.ts';

/** Milliseconds for one program. */
const LIMIT = 60_000;

export interface StorageRun {
  /** The work, as a message begins: "Clone unit-7f3a". */
  what: string;
  /** Exit codes that are answers and no faults. */
  answers?: readonly number[];
  /** Ends the wait; without it the program runs to its end. */
  signal?: AbortSignal;
  timeout?: number;
}

/** Runs a backend's programs on its machine, and tells why one failed. */
export class StorageHost {
  readonly place: string;
  readonly #source: HostSource;
  readonly #backend: Backend;
  #host: Host | undefined;

  constructor(source: HostSource, backend: Backend, place: string) {
    this.#source = source;
    this.#backend = backend;
    this.place = place;
  }

  /** As messages call the machine. */
  get label(): string {
    return this.#host?.label ?? 'the worker';
  }

  async host(signal: AbortSignal): Promise<Host> {
    this.#host = await this.#source(signal);
    return this.#host;
  }

  /** @throws CiError that says what is missing there, or what the commands said */
  async run(operation: string, args: readonly string[], run: StorageRun): Promise<RunResult> {
    const { what, answers = [], signal, timeout = LIMIT } = run;
    const host = await this.host(signal ?? AbortSignal.timeout(timeout));
    const text = program(this.#backend.functions, operation);
    const result = await host.run(['/bin/sh', '-c', text, 'storage', this.place, ...args], {
      timeout,
      ...(signal ? { signal } : {}),
    });
    if (result.code === 0 || (result.code !== undefined && answers.includes(result.code))) return result;
    if (result.code === EXIT.busy) throw storageBusy(what, host.label);
    if (result.code === EXIT.stuck && !saysDiskFull(result.stderr)) {
      const [left, ...more] = readStuck(result.stdout);
      if (left) throw notRemoved(what, host.label, reasonOf(left), [left, ...more].map(commandOf).join(' && '));
    }
    throw saysDiskFull(result.stderr) ? storageFull(what, host.label) : await this.#reason(host, what, result);
  }

  /** Asks the machine what it lacks. */
  async #reason(host: Host, what: string, { stderr, signal }: RunResult): Promise<Error> {
    const { kind, command, packages, fileSystem } = this.#backend;
    const { place } = this;
    const argv = ['/bin/sh', '-c', DIAGNOSE, 'diagnose', place, command, fileSystem];
    const { stdout } = await host.run(argv, { timeout: LIMIT });
    const said = stdout.trim();
    const rest = said.slice(said.indexOf(' ') + 1);
    switch (said.split(/\s/, 1)[0]) {
      case 'command':
        return commandMissing(host.label, command, packages);
      case 'place':
        return placeMissing(host.label, kind, place);
      case 'unmounted':
        return placeUnmounted(host.label, place);
      case 'kind':
        return wrongFileSystem(host.label, place, fileSystem, rest);
      case 'user':
        return notRoot(host.label, rest);
      case 'write':
        return saysDiskFull(rest) ? storageFull(what, host.label) : workFailed(what, host.label, rest);
      default:
        return workFailed(what, host.label, stderr || (signal ? `it was ended by signal ${signal}` : ''));
    }
  }
}
