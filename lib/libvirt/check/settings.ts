import type { Owner } from '../../worker/types.ts';
import type { CapacityLimits } from '../host-capacity.ts';
import type { KeptAnswer } from '../kvm-cache.ts';
import type { DomainType } from '../types.ts';
import type { StoragePlace } from './storage.ts';

/** What a check of a worker looks for, from the worker's settings. */
export interface CheckSettings {
  /** Id of the Recheck that asks. */
  controller: string;
  /** libvirt URI on the worker. */
  uri: string;
  type: DomainType | 'auto';
  storage: StoragePlace;
  limits: CapacityLimits;
  /** Whether commands reach it through SSH. */
  remote: boolean;
  /** Whether the build of that owner is running. */
  alive?: (owner: Owner) => boolean;
  /** Where an answer about KVM is kept. */
  answers?: KeptAnswer;
  /** Names of the images used here that need UEFI. */
  uefiImages?: readonly string[];
}
