import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRecord } from '../model/record.ts';
import type { TypeAnswer } from './types.ts';

/** What was found out about KVM on one host. */
export interface KeptAnswer {
  get(): TypeAnswer | undefined;
  set(answer: TypeAnswer): void;
}

/**
 * What was found out about KVM on each host, in a JSON file: finding out starts a guest. Only a memory: a file that
 * cannot be read or written costs another trial, and no build.
 */
export class TypeAnswers {
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
      get: () => this.#read()[host],
      set: (answer) => {
        const all = this.#read();
        if (all[host]?.type === answer.type && all[host].why === answer.why) return;
        this.#onNew(host, answer);
        this.#write({ ...all, [host]: answer });
      },
    };
  }

  #read(): Record<string, TypeAnswer> {
    try {
      const all: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (!isRecord(all)) return {};
      return Object.fromEntries(
        Object.entries(all).filter((entry): entry is [string, TypeAnswer] => isAnswer(entry[1])),
      );
    } catch {
      return {};
    }
  }

  #write(all: Record<string, TypeAnswer>): void {
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
  isRecord(value) && (value['type'] === 'kvm' || value['type'] === 'qemu') && typeof value['why'] === 'string';
