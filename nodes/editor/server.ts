/** Requests to Recheck's admin endpoints in the Node-RED runtime. */
import { notify } from './dom.ts';
import type { EditorNode } from './editor-node.ts';
import { say, sayOf } from './words.ts';

/** Time limit of a request. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Response of the runtime: its fields, or an error message. */
export type Answer<Fields = object> = Partial<Fields> & { ok?: boolean; error?: string };

/** Sends a request to an admin endpoint below `recheck/`. @throws Error with a message for the user */
export async function ask<Fields>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer<Fields>> {
  const isJson = body !== undefined && method !== 'GET';
  try {
    return await $.ajax({
      url: `recheck/${path}`,
      method,
      data: isJson ? JSON.stringify(body) : body,
      contentType: isJson ? 'application/json' : undefined,
      timeout: REQUEST_TIMEOUT_MS,
    });
  } catch (failed) {
    const { status, responseJSON } = failed as JQuery.jqXHR;
    const defaultValue = say('server.other', { status });
    throw new Error(responseJSON?.error || say(status ? `server.${status}` : 'server.none', { status, defaultValue }));
  }
}

/** Does the same as `ask`, but returns a failure as `{error}`. */
export const answerOf = <Fields>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer<Fields>> =>
  ask<Fields>(method, path, body).catch((error: Error) => ({ error: error.message }) as Answer<Fields>);

/**
 * Runs the action of a node's button in the runtime, then shows a notification.
 *
 * @param use handles a successful response instead of the notification
 */
export async function press<Fields>(
  node: EditorNode,
  method: 'GET' | 'POST',
  action: string,
  use?: (answer: Answer<Fields>) => void,
): Promise<void> {
  if (node.changed) {
    notify(say('button.undeployed'), 'warning');
    return;
  }
  try {
    const answer = await ask<Fields>(method, `${node.type}/${node.id}/${action}`);
    if (answer?.ok === false) throw new Error(answer.error);
    if (use) use(answer ?? {});
    else notify(sayOf(node, `button.${action}`, { ...answer }), 'success');
  } catch (error) {
    notify((error as Error).message, 'error');
  }
}
