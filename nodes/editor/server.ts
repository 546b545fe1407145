/** Requests to the runtime, and the buttons of nodes. */
import { notify } from './dom.ts';
import type { EditorNode } from './editor-node.ts';
import { say, sayOf } from './words.ts';

/** Milliseconds that the editor waits for an answer. */
const REQUEST_TIMEOUT_MS = 60_000;

/** What the runtime answers: its fields, or the reason why it could not. */
export type Answer<Fields = object> = Partial<Fields> & { ok?: boolean; error?: string };

/** Asks an admin endpoint below `recheck/`. @throws Error with a sentence for people */
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

/** Asks like `ask`; a failure becomes an answer with `error`. */
export const answerOf = <Fields>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer<Fields>> =>
  ask<Fields>(method, path, body).catch((error: Error) => ({ error: error.message }) as Answer<Fields>);

/**
 * Runs a node's button: asks, then shows the outcome; `use(answer)` takes the answer instead if there is more to do.
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
