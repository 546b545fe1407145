import type { Node } from 'node-red';
import type { Message } from '../../lib/builds/types.ts';
import { messageOf } from '../../lib/errors/ci-error.ts';

/**
 * Runs asynchronous work for each message that a node receives. Calls `done` once, with the error that `work` returns
 * or throws, and shows thrown errors in the node's status. A bare async handler could cause an unhandled rejection,
 * which ends the Node-RED process.
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

/** Runs asynchronous work of a node. An error is shown in the node's status and passed to `failed`, or logged. */
export function guard(node: Node, work: () => Promise<void>, failed?: (error: Error) => void): void {
  work().catch((error: unknown) => {
    const fault = error instanceof Error ? error : new Error(messageOf(error));
    if (failed) failed(fault);
    else node.error(fault.message);
    node.status({ fill: 'red', shape: 'ring', text: fault.message.slice(0, 60) });
  });
}
