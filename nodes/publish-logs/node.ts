import { join } from 'node:path';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { runStep } from '../../lib/builds/step.ts';
import { publishStep } from '../../lib/builds/steps.ts';
import { isLoopbackUrl } from '../../lib/util/loopback.ts';
import { onInput } from '../shared/handler.ts';
import { translator } from '../shared/i18n.ts';
import { enter, runtimeOf } from '../shared/runtime.ts';
import { numberOf, rowsOf, textOf } from '../shared/settings.ts';
import { serveLogs } from './serve-logs.ts';

interface Config extends NodeDef {
  files: { guest: string; path: string; dir: string }[];
  root: string;
  url: string;
  days: string;
  gigabytes: string;
  branches: string;
  then: 'destroy' | 'keep';
}

/** publish-logs: publishes the build's logs, then destroys its guests. */
export default function (RED: NodeAPI): void {
  const t = translator(RED);
  RED.nodes.registerType('publish-logs', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const root = textOf(config.root, join(runtimeOf(RED).stateDir, 'logs'));
    const served = serveLogs(RED, this, root, {
      // An empty field means no limit.
      days: config.days === '' ? 0 : numberOf(config.days, 30),
      gigabytes: config.gigabytes === '' ? 0 : numberOf(config.gigabytes, 50),
    });
    const url = textOf(config.url, served ?? '').replace(/\/+$/, '');
    const { runtime, key } = enter(RED, this, { logs: { root, url } });
    const { supervisor, flow, board } = runtime;
    const branches = numberOf(config.branches, 0);
    const spec = { node: key, type: this.type, name: this.name || this.type, when: 'always', timed: false } as const;
    const files = rowsOf<Config['files'][number]>(config.files).map((row) => ({
      guest: textOf(row.guest),
      path: textOf(row.path),
      dir: textOf(row.dir),
    }));
    if (!textOf(config.url) && !served) this.warn(t(this.type, 'status.notServed'));
    let warned = '';
    const warnOnce = (words: string): void => {
      if (words !== warned) this.warn(words);
      warned = words;
    };
    onInput(this, (message) =>
      supervisor.joinBranches({ node: key, ...(branches > 0 ? { branches } : {}) }, message, async (build, last) => {
        const server = runtime.servers.get(build.change.server);
        if (server && !server.local && isLoopbackUrl(url)) warnOnce(t(this.type, 'status.loopbackUrl', { url }));
        const { outcome, fault } = await runStep(build, spec, flow, (context) =>
          publishStep(context, { files }, runtime.services),
        );
        if (config.then !== 'keep') await supervisor.end(build);
        const { set, index } = build;
        const parts = { id: set.id, type: 'array', index, count: set.count };
        supervisor.send(build, key, 0, { ...last, payload: outcome.payload, parts });
        const published = (outcome.payload as { files?: number } | undefined)?.files ?? 0;
        if (outcome.result === 'SUCCESS') {
          board.rest(key, {
            fill: 'green',
            shape: 'dot',
            text: t(this.type, published === 1 ? 'status.publishedOne' : 'status.published', {
              label: build.label,
              files: published,
            }),
          });
        }
        return fault;
      }),
    );
  });
}
