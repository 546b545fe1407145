import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFileAtomicSync } from '../util/atomic-file.ts';
import { isRecord } from '../util/is-record.ts';
import type { TypeAnswer } from './types.ts';

/** KVM may have failed temporarily, been fixed, or broken since. */
const ANSWER_TTL_MS = 86_400_000;

/** What was found out about KVM on one host. */
export interface KeptAnswer {
  /** Returns the answer, for a day unless it is forgotten. */
  get(): TypeAnswer | undefined;
  set(answer: TypeAnswer): void;
  /** Discards the answer, which proved wrong. */
  forget(): void;
}

/** An answer with its time in milliseconds since the epoch; older versions stored no time with "kvm". */
interface DatedAnswer extends TypeAnswer {
  at?: number;
}

const ifGood = (answer: DatedAnswer | undefined): TypeAnswer | undefined => {
  if (answer === undefined) return undefined;
  const { at, ...known } = answer;
  // A clock that was set back must not make an answer last.
  const isFresh = at !== undefined && Math.abs(Date.now() - at) < ANSWER_TTL_MS;
  return isFresh ? known : undefined;
};

/** Keeps an answer in memory. */
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
 * Keeps what was found out about KVM on each host in a JSON file, since finding out starts a guest. If the file cannot
 * be read or written, KVM is tried again.
 */
export class KvmCache {
  readonly #file: string;
  readonly #onNew: (host: string, answer: TypeAnswer) => void;

  /** @param onNew called with each new or changed answer */
  constructor(file: string, onNew: (host: string, answer: TypeAnswer) => void = () => {}) {
    this.#file = file;
    this.#onNew = onNew;
  }

  /** Returns the stored answer of one host. @param host any key that identifies it */
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
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      writeFileAtomicSync(this.#file, `${JSON.stringify(all, undefined, 2)}\n`, { flush: false });
    } catch {
      // It is found out again.
    }
  }
}

const isAnswer = (value: unknown): boolean =>
  isRecord(value) &&
  (value['type'] === 'kvm' || value['type'] === 'qemu') &&
  typeof value['why'] === 'string' &&
  ['number', 'undefined'].includes(typeof value['at']);
