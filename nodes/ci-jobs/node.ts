import type { Node, NodeAPI } from 'node-red';
import { CiError } from '../../lib/errors/ci-error.ts';
import { nodeAction } from '../shared/admin.ts';
import { onInput } from '../shared/handler.ts';
import { translator } from '../shared/i18n.ts';
import { enter } from '../shared/runtime.ts';
import { textOf } from '../shared/settings.ts';
import { type CiJobsConfig, startRequest } from './start-request.ts';

/** A ci-jobs node. */
export interface CiJobsNode extends Node {
  /** Aborts all builds that this node started, for the button. */
  abortAll(): void;
}

/** ci-jobs: starts a build for each job that applies to a trigger, on the job's lane. */
export default function (RED: NodeAPI): void {
  const t = translator(RED);
  nodeAction(RED, 'ci-jobs', 'abort', async (node) => {
    (node as CiJobsNode).abortAll();
    return undefined;
  });
  RED.nodes.registerType('ci-jobs', function (this: CiJobsNode, config: CiJobsConfig) {
    RED.nodes.createNode(this, config);
    const { runtime, key } = enter(RED, this);
    const { supervisor, board, servers } = runtime;
    const abort = (id?: string): number =>
      supervisor
        .active(key)
        .filter(
          (build) =>
            (id === undefined || build.id === id) && supervisor.abort(build.id, t(this.type, 'status.byPerson')),
        ).length;
    this.abortAll = () => {
      abort();
    };
    board.rest(key, { fill: 'grey', shape: 'dot', text: t(this.type, 'status.idle') });
    onInput(this, async (message) => {
      const kill = message['kill'];
      if (kill !== undefined && kill !== null && kill !== false) {
        // `true` stops all builds; the id of a build stops that one.
        const count = abort(kill === true ? undefined : String(kill));
        board.rest(key, { fill: 'grey', shape: 'dot', text: t(this.type, 'status.aborted', { count }) });
        return undefined;
      }
      const request = startRequest(config, key, message, servers);
      if (request instanceof CiError) {
        board.rest(key, { fill: 'red', shape: 'ring', text: request.message.slice(0, 60) });
        return request;
      }
      if (request.jobs.length === 0) {
        board.rest(key, {
          fill: 'grey',
          shape: 'dot',
          text: t(this.type, 'status.noJob', { project: textOf(request.change.project) }),
        });
        return undefined;
      }
      const { started } = await supervisor.start(request);
      if (started.length === 0) board.rest(key, { fill: 'grey', shape: 'dot', text: t(this.type, 'status.duplicate') });
      return undefined;
    });
  });
}
