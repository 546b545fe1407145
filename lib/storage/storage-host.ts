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
import type { Backend } from './backends.ts';
import { diagnoseCommand, EXIT, type Operation, storageCommand } from './programs.ts';
import { commandOf, readStuck, reasonOf } from './stuck.ts';

/** Milliseconds that one program may take. */
export const PROGRAM_TIMEOUT_MS = 60_000;

/** How one program of a storage is run. */
export interface StorageRun {
  /** The work, as the subject of an error message: "Clone unit-7f3a". */
  what: string;
  /** Exit codes that are answers, not faults. */
  answers?: readonly number[];
  /** Ends the wait. If missing, the program's end is waited for. */
  signal?: AbortSignal;
  /** Milliseconds. */
  timeout?: number;
}

/** Runs a backend's programs on its machine, and finds out why one failed. */
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

  /** The machine's name in messages. */
  get label(): string {
    return this.#host?.label ?? 'the worker';
  }

  async host(signal: AbortSignal): Promise<Host> {
    this.#host = await this.#source(signal);
    return this.#host;
  }

  /**
   * Runs an operation.
   *
   * @throws CiError that says what is missing there, or what the commands printed
   */
  async run(operation: Operation, args: readonly string[], run: StorageRun): Promise<RunResult> {
    const { what, answers = [], signal, timeout = PROGRAM_TIMEOUT_MS } = run;
    const host = await this.host(signal ?? AbortSignal.timeout(timeout));
    const result = await host.run(storageCommand(this.#backend.kind, operation, this.place, args), {
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

  /** Returns the cause of a fault: what the machine lacks, or what the commands printed. */
  async #reason(host: Host, what: string, { stderr, signal }: RunResult): Promise<Error> {
    const { kind, command, packages, fileSystem } = this.#backend;
    const { place } = this;
    const { stdout } = await host.run(diagnoseCommand(this.#backend, place), { timeout: PROGRAM_TIMEOUT_MS });
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
        return workFailed(what, host.label, stderr || (signal ? `it was killed by signal ${signal}` : ''));
    }
  }
}
