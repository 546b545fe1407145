/** How guests run: on the processor's own virtualization, or emulated. */
export type DomainType = 'kvm' | 'qemu';

/** What was found out about a host, and how, in words for its operator. */
export interface TypeAnswer {
  type: DomainType;
  why: string;
  /** Whether KVM has given up a guest: that tells more than the probe, which asks little of it. */
  isProved?: true;
}

/** Called with a bridge of the worker before a guest that hangs on it starts. */
export type UseBridge = (bridge: string, signal: AbortSignal) => Promise<void>;
