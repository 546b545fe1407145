import type { NodeAPI } from 'node-red';
import { parentCircle } from '../../lib/errors/image.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import { imageName } from './settings.ts';

/** A vm-image in a flow file. */
type Saved = Record<string, unknown>;

/** Returns the cycles of images that name each other as parent, each cycle once. */
export function cyclesOf(images: readonly Saved[]): Saved[][] {
  const byId = new Map(images.map((image) => [image['id'], image]));
  const seen = new Set<Saved>();
  const cycles: Saved[][] = [];
  for (const image of images) {
    const line: Saved[] = [];
    for (let at: Saved | undefined = image; at && !seen.has(at); at = byId.get(at['parent'])) {
      seen.add(at);
      line.push(at);
    }
    const back = line.indexOf(byId.get(line.at(-1)?.['parent']) as Saved);
    if (back >= 0) cycles.push(line.slice(back));
  }
  return cycles;
}

/**
 * Logs images that name each other as parent when flows start. Node-RED (5.0.7, Flow.start) then starts neither these
 * nor the nodes it has not started yet, and reports it only on its standard output.
 */
export function logCycles(RED: NodeAPI): void {
  RED.events.on('flows:starting', (event: { config?: { flows?: unknown } }) => {
    const nodes = event.config?.flows;
    if (!Array.isArray(nodes)) return;
    const images = nodes.filter((node): node is Saved => isRecord(node) && node['type'] === 'vm-image' && !node['d']);
    for (const cycle of cyclesOf(images)) {
      const { message } = parentCircle(cycle.map(({ name }) => imageName(name)));
      RED.log.error(
        `${message} Until this is fixed, Node-RED starts neither these images nor other configuration nodes.`,
      );
    }
  });
}
