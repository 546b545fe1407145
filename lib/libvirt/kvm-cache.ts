import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRecord } from '../util/is-record.ts';
import type { TypeAnswer } from './types.ts';

/** Milliseconds for which an answer is believed: KVM may have failed for a moment, been fixed, or been broken since. */
const ANSWER_TTL_MS = 86_400_000;

/** What was found out about KVM on one host. */
export interface KeptAnswer {
  /** The answer, for a day and as long as it is not forgotten. */
  get(): TypeAnswer | undefined;
  set(answer: TypeAnswer): void;
  /** The answer proved wrong: the next who asks finds out again. */
  forget(): void;
}

/** An answer, and when it was found, in milliseconds since the epoch; older versions kept no time with "kvm". */
interface DatedAnswer extends TypeAnswer {
  at?: number;
}

const ifGood = (answer: DatedAnswer | undefined): TypeAnswer | undefined => {
  if (answer === undefined) return undefined;
  const { at, ...known } = answer;
  // A clock that was put back makes no answer last.
  const isFresh = at !== undefined && Math.abs(Date.now() - at) < ANSWER_TTL_MS;
  return isFresh ? known : undefined;
};

/** Keeps an answer as long as the process runs. */
export function answerInMemory(): KeptAnswer {
  let kept: DatedAnswer | undefined;
  return {
    get: () => ifGood(kept),
    set: (answer) => {
      kept = { ...answer, at: Date.now() };
    },
    forget: () => {
      kept = undefined;
    },
  };
}

/**
 * What was found out about KVM on each host, in a JSON file: finding out starts a guest. Only a memory: a file that
 * cannot be read or written costs another trial, and no build.
 */
export class KvmCache {
  readonly #file: string;
  readonly #onNew: (host: string, answer: TypeAnswer) => void;

  /** @param onNew told of each answer that is new or other than before */
  constructor(file: string, onNew: (host: string, answer: TypeAnswer) => void = () => {}) {
    this.#file = file;
    this.#onNew = onNew;
  }

  /** The answer of one host, by any key of it. */
  of(host: string): KeptAnswer {
    return {
      get: () => ifGood(this.#read()[host]),
      set: (answer) => {
        const all = this.#read();
        if (all[host]?.type !== answer.type || all[host].why !== answer.why) this.#onNew(host, answer);
        this.#write({ ...all, [host]: { ...answer, at: Date.now() } });
      },
      forget: () => {
        const { [host]: wrong, ...others } = this.#read();
        if (wrong) this.#write(others);
      },
    };
  }

  #read(): Record<string, DatedAnswer> {
    try {
      const all: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (!isRecord(all)) return {};
      return Object.fromEntries(
        Object.entries(all).filter((entry): entry is [string, DatedAnswer] => isAnswer(entry[1])),
      );
    } catch {
      return {};
    }
  }

  #write(all: Record<string, DatedAnswer>): void {
    const temporary = `${this.#file}.new`;
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      writeFileSync(temporary, `${JSON.stringify(all, undefined, 2)}\n`, { mode: 0o600 });
      renameSync(temporary, this.#file);
    } catch {
      // The next worker finds it out again.
    }
  }
}

const isAnswer = (value: unknown): boolean =>
  isRecord(value) &&
  (value['type'] === 'kvm' || value['type'] === 'qemu') &&
  typeof value['why'] === 'string' &&
  ['number', 'undefined'].includes(typeof value['at']);
