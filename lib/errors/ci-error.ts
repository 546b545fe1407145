import type { Result } from '../model/result.ts';
import { harmless } from '../util/plain-text.ts';

/** What a CiError is made of. */
export interface CiErrorFields {
  /** Stable and greppable, such as `ssh/host-key-changed`. */
  code: string;
  /** What failed, where, why and what to do, in one or two sentences. */
  message: string;
  /** What a build that meets it ends as; NODE_FAILURE where nothing else fits. */
  result?: Result;
  /** Whether trying again later may help. */
  transient?: boolean;
  cause?: unknown;
}

/**
 * A fault that a person can act on. Every error that leaves `lib/` is one; its message is written for the operator and
 * stands on the node, in the build's console and in Node-RED's log as it is: so no control character of a guest's
 * console, which it may quote, stays in it.
 */
export class CiError extends Error {
  readonly code: string;
  readonly result: Result;
  readonly transient: boolean;

  constructor(fields: CiErrorFields) {
    super(harmless(fields.message), fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'CiError';
    this.code = fields.code;
    this.result = fields.result ?? 'NODE_FAILURE';
    this.transient = fields.transient ?? false;
  }

  /** The sentence alone, wherever it is shown as text. */
  override toString(): string {
    return this.message;
  }
}

/** The words of anything thrown, without a stack. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Makes a CiError of anything thrown: itself, or an `internal` one that says where it happened. */
export function toCiError(error: unknown, where: string): CiError {
  if (error instanceof CiError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOSPC') {
    return new CiError({
      code: 'disk-full',
      message: `${where}: the disk is full (${messageOf(error)}). Free some space, or lower the retention of the logs.`,
      result: 'DISK_FULL',
      cause: error,
    });
  }
  return new CiError({ code: 'internal', message: `${where}: ${messageOf(error)}`, result: 'ERROR', cause: error });
}
