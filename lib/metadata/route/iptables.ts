import { rulesFailed, rulesTaken } from '../../errors/worker.ts';
import type { Host } from '../../ssh/types.ts';
import { program } from '../../util/program.ts';

/** Where guests' requests for 169.254.169.254 go on the worker. */
export interface Destination {
  /** 127.0.0.1: a port of the worker's own loopback. 0.0.0.0: whatever address the bridge has. Else as it is. */
  address: string;
  port: number;
}

const COMMON = program(import.meta.url, 'rules');

const ADD = COMMON + program(import.meta.url, 'add-rules');

const REMOVE = COMMON + program(import.meta.url, 'remove-rules');

/** The id as it stands in a rule's comment. */
const word = (id: string): string => id.replace(/[^A-Za-z0-9]/g, '_').slice(0, 64);

const run = async (host: Host, text: string, args: string[], signal: AbortSignal): Promise<void> => {
  const result = await host.run(['sh', '-c', text, 'recheck', ...args], { signal });
  if (result.code === 10) throw rulesTaken(host.label, result.stdout.trim());
  if (result.code !== 0) throw rulesFailed(host.label, result.stderr || result.stdout);
};

/** Two ways may have one port at different addresses. */
const placeOf = ({ address, port }: Destination): string =>
  address === '127.0.0.1' ? `${port}` : `${word(address)}_${port}`;

/**
 * Leads what a bridge's guests ask of 169.254.169.254:80 to a destination on the worker, and takes back the rules of this
 * id that lead to none of `stay`. Fine where it is so already.
 */
export const addRules = (
  host: Host,
  id: string,
  bridge: string,
  destination: Destination,
  stay: readonly Destination[],
  signal: AbortSignal,
): Promise<void> => {
  const { address, port } = destination;
  return run(host, ADD, [word(id), bridge, address, `${port}`, placeOf(destination), ...stay.map(placeOf)], signal);
};

/** Takes back the rules of this id but those to the destinations given, a dead controller's too. Other rules are left alone. */
export const removeRules = (host: Host, id: string, stay: readonly Destination[], signal: AbortSignal): Promise<void> =>
  run(host, REMOVE, [word(id), ...stay.map(placeOf)], signal);
