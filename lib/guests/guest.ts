import type { CiError } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import type { Clone, GuestAddress, Hardware, ImageSpec, Worker } from '../worker/types.ts';
import type { GuestMetadata } from './metadata.ts';

/** One guest of a build. */
export interface Guest {
  name: string;
  worker: Worker;
  image: ImageSpec;
  /** Name of the clone and of the domain on the worker; noted before either is made. */
  domain: string;
  clone?: Clone;
  /** Memory (MiB), processors and hardware that it was booted with. */
  memory?: number;
  vcpus?: number;
  hardware?: Hardware;
  /** Whether it was booted, or a boot was begun. */
  booted: boolean;
  /** Why SSH login has not succeeded yet, while it boots and has an address. */
  trouble?: string;
  /** Its metadata, once published. */
  metadata?: GuestMetadata;
  address?: GuestAddress;
  /** Milliseconds to wait for its cloud-init; 0 does not wait. */
  cloudInitLimit?: number;
  /** Its SSH connection, after the login; `reconnect` replaces a lost one. */
  host?: Host;
  /** Boot id of its kernel when that connection was made; empty if unknown. */
  bootId?: string;
  /** Why it cannot go on, once its worker has reported that. */
  fault?: CiError;
  /** Whether a script was allowed to reboot it. */
  mayReboot?: boolean;
  /** Whether it was released: a login that is under way closes at once. */
  released?: boolean;
  /** Set while it is reconnected, so that two steps share one attempt. */
  reconnecting?: Promise<void>;
  /** When its address was last looked up, by performance.now(). */
  soughtAt?: number;
  /** The boot id that its steps know; they are told once about another. */
  knownBoot?: string;
  /** Name of the variable that gets its address. */
  addressEnv?: string;
}
