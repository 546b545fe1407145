import { rulesFailed, rulesTaken } from '../../errors/worker.ts';
import type { Host } from '../../ssh/types.ts';
import { program } from '../../util/program.ts';

/** Where guests' requests to 169.254.169.254 arrive on the worker. */
export interface RouteDestination {
  /** 127.0.0.1: the worker's loopback. 0.0.0.0: the address of the bridge. Otherwise an address of the worker. */
  address: string;
  port: number;
}

const COMMON = program(import.meta.url, 'rules');

const ADD = COMMON + program(import.meta.url, 'add-rules');

const REMOVE = COMMON + program(import.meta.url, 'remove-rules');

/** Encodes an id for the comment of a rule. */
const word = (id: string): string => id.replace(/[^A-Za-z0-9]/g, '_').slice(0, 64);

const run = async (host: Host, text: string, args: string[], signal: AbortSignal): Promise<void> => {
  const result = await host.run(['sh', '-c', text, 'recheck', ...args], { signal });
  if (result.code === 10) throw rulesTaken(host.label, result.stdout.trim());
  if (result.code !== 0) throw rulesFailed(host.label, result.stderr || result.stdout);
};

/** Names a destination in the comment of a rule; two may have one port at different addresses. */
const placeOf = ({ address, port }: RouteDestination): string =>
  address === '127.0.0.1' ? `${port}` : `${word(address)}_${port}`;

/**
 * Routes requests of a bridge's guests to 169.254.169.254:80 to a destination on the worker, and removes rules of this
 * id that lead to none of `stay`. Idempotent.
 *
 * @throws CiError if a foreign rule comes first, or iptables fails
 */
export const addRules = (
  host: Host,
  id: string,
  bridge: string,
  destination: RouteDestination,
  stay: readonly RouteDestination[],
  signal: AbortSignal,
): Promise<void> => {
  const { address, port } = destination;
  return run(host, ADD, [word(id), bridge, address, `${port}`, placeOf(destination), ...stay.map(placeOf)], signal);
};

/** Removes all rules of this id, also a dead controller's, except those to `stay`. @throws CiError if iptables fails */
export const removeRules = (
  host: Host,
  id: string,
  stay: readonly RouteDestination[],
  signal: AbortSignal,
): Promise<void> => run(host, REMOVE, [word(id), ...stay.map(placeOf)], signal);
