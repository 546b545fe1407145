import type { Network } from './types.ts';

const isPrivate = ({ source }: Network): boolean => source.endsWith('%');

/**
 * Returns whether a guest's first network card is on a private bridge (`name%`) and another one is not. Stock cloud
 * images request an address on the first card only.
 */
export const isFirstPrivate = (networks: readonly Network[]): boolean =>
  networks[0] !== undefined && isPrivate(networks[0]) && !networks.every(isPrivate);
