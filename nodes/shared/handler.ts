import type { Node } from 'node-red';
import type { Message } from '../../lib/builds/types.ts';
import { messageOf } from '../../lib/errors/ci-error.ts';

/**
 * Handles a node's input: runs the asynchronous work, calls `done` once, and shows errors. An unhandled rejection ends
 * the whole Node-RED process, so no handler is a bare async function.
 */
export function onInput(node: Node, work: (message: Message) => Promise<Error | undefined> | Error | undefined): void {
  node.on('input', (msg, _send, done) => {
    guard(
      node,
      async () => {
        done((await work(msg as unknown as Message)) ?? undefined);
      },
      done,
    );
  });
}

/** Runs asynchronous work of a node that belongs to no message; errors are shown on the node. */
export function guard(node: Node, work: () => Promise<void>, failed?: (error: Error) => void): void {
  work().catch((error: unknown) => {
    const fault = error instanceof Error ? error : new Error(messageOf(error));
    if (failed) failed(fault);
    else node.error(fault.message);
    node.status({ fill: 'red', shape: 'ring', text: fault.message.slice(0, 60) });
  });
}
