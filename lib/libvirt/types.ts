/** How guests run: under KVM, or emulated by QEMU. */
export type DomainType = 'kvm' | 'qemu';

/** How guests run on a host, with the reason in words for its operator. */
export interface TypeAnswer {
  type: DomainType;
  why: string;
  /** Whether KVM has given up a guest, which outweighs the probe. */
  isProved?: true;
}

/** Called with a bridge of the worker before a guest on it starts. */
export type UseBridge = (bridge: string, signal: AbortSignal) => Promise<void>;
