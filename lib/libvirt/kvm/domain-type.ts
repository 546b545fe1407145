import { abortable } from '../../util/abort.ts';
import type { HostInspector } from '../host-inspector.ts';
import type { KeptAnswer } from '../kvm-cache.ts';
import type { DomainType, TypeAnswer } from '../types.ts';

const PROBE_TIMEOUT_MS = 60_000;

/** Knows whether the guests of one worker run under KVM: as set, or as a probe found out. */
export class DomainTypeFinder {
  readonly #setting: DomainType | 'auto';
  readonly #answers: KeptAnswer;
  readonly #inspector: Pick<HostInspector, 'kvm'>;
  #probe: Promise<TypeAnswer> | undefined;

  constructor(setting: DomainType | 'auto', answers: KeptAnswer, inspector: Pick<HostInspector, 'kvm'>) {
    this.#setting = setting;
    this.#answers = answers;
    this.#inspector = inspector;
  }

  /** Whether the type was set; it does not change then. */
  get isSet(): boolean {
    return this.#setting !== 'auto';
  }

  /** Returns how guests run, and how that is known. @throws CiError if KVM could not be tried */
  async find(signal: AbortSignal): Promise<TypeAnswer> {
    if (this.#setting !== 'auto') return { type: this.#setting, why: 'it was set' };
    const known = this.#answers.get();
    if (known) return known;
    // Not the build's signal: others wait for the same answer.
    this.#probe ??= this.#inspector
      .kvm(AbortSignal.timeout(PROBE_TIMEOUT_MS))
      .then(({ works, why }) => {
        const proved = this.#answers.get();
        if (proved?.isProved) return proved;
        const answer: TypeAnswer = { type: works ? 'kvm' : 'qemu', why };
        this.#answers.set(answer);
        return answer;
      })
      .finally(() => {
        this.#probe = undefined;
      });
    return abortable(this.#probe, signal);
  }

  /** Records that KVM gave up a guest: a probe might say again that KVM works. */
  noteFault(why: string): void {
    this.#answers.set({ type: 'qemu', why, isProved: true });
  }

  /** Discards the answer, which proved wrong. */
  forget(): void {
    this.#answers.forget();
  }
}
