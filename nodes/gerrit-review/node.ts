import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Build } from '../../lib/builds/build.ts';
import type { BuildSet } from '../../lib/builds/buildset.ts';
import { composeReview, type ReviewSettings } from '../../lib/builds/report/compose.ts';
import type { BuildEvent, Message, ReportState } from '../../lib/builds/types.ts';
import type { ReviewInput } from '../../lib/gerrit/types.ts';
import { nodeQuestion } from '../shared/admin.ts';
import { guard, onInput } from '../shared/handler.ts';
import { t, useLocale } from '../shared/i18n.ts';
import { enter } from '../shared/runtime.ts';
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

export interface GerritReviewNode extends Node {
  /** URL of the last report's page, for the button. */
  lastUrl?: string;
}

/** Reports that are being posted, by node and buildset; kept over deploys, so that their messages are sent on. */
const pending = new Map<string, { build: Build; message: Message; review: ReviewInput }>();
/**
 * How many reports are remembered while Gerrit is down. The message of an older one is not sent on, but its report is
 * posted.
 */
const MAX_PENDING_COUNT = 1000;

/** Unsubscribes the last deployed instance of each node from events. */
const listening = new Map<string, () => void>();

/** URL of each node's last report, kept over deploys. */
const lastUrls = new Map<string, string>();

/** gerrit-review: posts one review for all builds of a trigger. */
export default function (RED: NodeAPI): void {
  useLocale('gerrit-review', RED);
  nodeQuestion(RED, 'gerrit-review', 'last', (node) => ({ url: (node as GerritReviewNode).lastUrl }));
  RED.nodes.registerType('gerrit-review', function (this: GerritReviewNode, config: Config) {
    RED.nodes.createNode(this, config);
    const report = (set: BuildSet, builds: Build[]): void => guard(this, () => post(set, builds));
    const { runtime, key } = enter(RED, this, { report });
    const { supervisor, poster, board, servers } = runtime;
    const silent = flagOf(config.silent ?? true);
    const settings: ReviewSettings = {
      node: key,
      ...(textOf(config.server) ? { server: textOf(config.server) } : {}),
      label: textOf(config.label, 'Verified'),
      success: numberOf(config.success, 1, -10),
      failure: numberOf(config.failure, -1, -10),
      vote: flagOf(config.vote),
      templates: {
        ...(config.header === undefined ? {} : { header: config.header }),
        ...(config.jobLine === undefined ? {} : { jobLine: config.jobLine }),
        ...(config.footer === undefined ? {} : { footer: config.footer }),
      },
      tag: textOf(config.tag),
      ...(textOf(config.notify) ? { notify: textOf(config.notify) as ReviewInput['notify'] } : {}),
    };
    this.lastUrl = lastUrls.get(key);

    const post = async (set: BuildSet, builds: Build[]): Promise<void> => {
      const arrived = set.arrived.get(key)!;
      const [build] = set.builds.filter(({ id }) => arrived.builds.has(id)).slice(-1);
      const show = (state: ReportState) =>
        runtime.flow.observe({ kind: 'report', node: key, set: set.id, label: build!.label, state });
      const server = servers.get(settings.server ?? set.request.change.server);
      const entry = composeReview(set, builds, settings, server?.ciName ?? 'ci');
      if (entry?.trouble) this.error(entry.trouble);
      pending.set(`${key} ${set.id}`, { build: build!, message: arrived.message, review: entry?.review ?? {} });
      if (pending.size > MAX_PENDING_COUNT) {
        const [oldest, { build: left }] = pending.entries().next().value!;
        pending.delete(oldest);
        supervisor.reportDone(left, key);
      }
      if (builds.length === 0) show({ state: 'nothing', message: t(this.type, 'status.superseded') });
      else if (!entry) show({ state: 'nothing', message: t(this.type, 'status.noPatchset') });
      else if (silent) show({ state: 'silent', vote: entry.vote, message: entry.review.message ?? '', url: entry.url });
      else await poster.put(`${set.id} ${key}`, entry);
    };

    const onEvent = (event: BuildEvent): void => {
      if (event.kind !== 'report' || event.node !== key) return;
      const { state } = event;
      board.rest(key, statusOf(event.label, state));
      if (state.state === 'waiting') return;
      if (state.state === 'posted') for (const warning of state.warnings) this.warn(warning);
      if (state.state === 'failed') this.error(state.message);
      if (state.state === 'silent')
        this.log(`${t(this.type, 'status.wouldPost', { label: event.label })}\n${state.message}`);
      if ('url' in state && state.url) {
        lastUrls.set(key, state.url);
        this.lastUrl = state.url;
      }
      const waiting = pending.get(`${key} ${event.set}`);
      if (!waiting) return;
      pending.delete(`${key} ${event.set}`);
      const payload = {
        message: waiting.review.message,
        labels: waiting.review.labels ?? {},
        posted: state.state === 'posted',
        state: state.state,
      };
      supervisor.send(waiting.build, key, 0, { ...waiting.message, payload });
      supervisor.reportDone(waiting.build, key);
    };
    const statusOf = (label: string, state: ReportState) => {
      const type = this.type;
      const vote = 'vote' in state && state.vote ? state.vote : t(type, 'status.noVote');
      switch (state.state) {
        case 'posted':
          return state.warnings.length > 0
            ? ({ fill: 'yellow', shape: 'ring', text: `${label}: ${state.warnings[0]}`.slice(0, 80) } as const)
            : ({ fill: 'green', shape: 'dot', text: `${label} ${vote}` } as const);
        case 'silent':
          return { fill: 'grey', shape: 'dot', text: t(type, 'status.silent', { label, vote }) } as const;
        case 'waiting':
          return {
            fill: 'red',
            shape: 'ring',
            text: t(type, 'status.waiting', { pending: state.pending }),
          } as const;
        case 'nothing':
          return { fill: 'grey', shape: 'ring', text: `${label}: ${state.message}` } as const;
        case 'failed':
          return { fill: 'red', shape: 'ring', text: `${label}: ${state.message}`.slice(0, 80) } as const;
      }
    };
    listening.get(key)?.();
    listening.set(key, runtime.onEvent(onEvent));
    this.on('close', (removed: boolean, done: () => void) => {
      // A report may be posted before its successor listens: it is shown and sent on too.
      if (removed) {
        listening.get(key)?.();
        listening.delete(key);
      }
      done();
    });

    onInput(this, (message) =>
      supervisor.gather({ node: key }, message, async (build, last) => {
        // Without a publish-logs before it, the build ends here.
        await supervisor.end(build);
        supervisor.arrive(build, key, last);
        return undefined;
      }),
    );
  });
}
