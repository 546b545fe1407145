import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { ReviewSettings } from '../../lib/builds/review-settings.ts';
import type { ReviewInput } from '../../lib/gerrit/types.ts';
import { nodeQuestion } from '../shared/admin.ts';
import { onInput } from '../shared/handler.ts';
import { nodeKey } from '../shared/keys.ts';
import { enter, runtimeOf } from '../shared/runtime.ts';
import { flagOf, numberOf, textOf } from '../shared/settings.ts';

interface Config extends NodeDef {
  server: string;
  label: string;
  success: string;
  failure: string;
  vote: boolean;
  silent: boolean;
  header: string;
  jobLine: string;
  footer: string;
  tag: string;
  notify: string;
}

const settingsOf = (config: Config, node: string): ReviewSettings => ({
  node,
  ...(textOf(config.server) ? { server: textOf(config.server) } : {}),
  label: textOf(config.label, 'Verified'),
  success: numberOf(config.success, 1, -10),
  failure: numberOf(config.failure, -1, -10),
  vote: flagOf(config.vote),
  silent: flagOf(config.silent ?? true),
  templates: {
    ...(config.header === undefined ? {} : { header: config.header }),
    ...(config.jobLine === undefined ? {} : { jobLine: config.jobLine }),
    ...(config.footer === undefined ? {} : { footer: config.footer }),
  },
  tag: textOf(config.tag),
  ...(textOf(config.notify) ? { notify: textOf(config.notify) as ReviewInput['notify'] } : {}),
});

/** gerrit-review: posts one review for all builds of a trigger. */
export default function (RED: NodeAPI): void {
  // For the button: the page of the last report.
  nodeQuestion(RED, 'gerrit-review', 'last', (node) => ({
    url: runtimeOf(RED).supervisor.reporter.lastUrl(nodeKey(node)),
  }));
  RED.nodes.registerType('gerrit-review', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const { runtime, key } = enter(RED, this, { review: settingsOf(config, nodeKey(this)) });
    onInput(this, (message) => runtime.supervisor.report(key, message));
  });
}
