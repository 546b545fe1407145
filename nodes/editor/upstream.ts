import type { EditorNode } from './editor-node.ts';

/** Returns the nodes whose messages can reach this one through wires and link nodes. */
export function upstreamOf(node: EditorNode): Set<EditorNode> {
  const found = new Set<EditorNode>();
  const waiting = [node];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    for (const source of [...wiredTo(next), ...linkedTo(next)]) {
      if (found.has(source)) continue;
      found.add(source);
      waiting.push(source);
    }
  }
  return found;
}

const wiredTo = (node: EditorNode): EditorNode[] => RED.nodes.filterLinks({ target: node }).map(({ source }) => source);

function linkedTo(node: EditorNode): EditorNode[] {
  const sources: EditorNode[] = [];
  if (node.type !== 'link in') return sources;
  RED.nodes.eachNode((other) => {
    if (other.links?.includes(node.id) && other.type !== 'link in') sources.push(other);
  });
  return sources;
}
