import type { Node, NodeAPI, NodeDef } from 'node-red';
import { messageOf } from '../lib/errors/ci-error.ts';
import { changeOf } from '../lib/gerrit/change.ts';
import { eventTypesOf, type FilterSettings, makeFilter, type Trigger, type TriggerType } from '../lib/gerrit/filter.ts';
import type { PatternRow } from '../lib/gerrit/patterns.ts';
import { type ReplayPace, replayFile } from '../lib/gerrit/replay.ts';
import type { GerritEvent } from '../lib/gerrit/types.ts';
import type { LinkHealth } from '../lib/ssh/types.ts';
import type { GerritServerNode } from './gerrit-server.ts';
import { nodeAction } from './shared/admin.ts';
import { guard } from './shared/handler.ts';
import { enter, type ServerEntry } from './shared/runtime.ts';
import { flagOf, numberOf, rowsOf, textOf } from './shared/settings.ts';
import { text, useTexts } from './shared/texts.ts';

interface Config extends NodeDef {
  source: 'stream' | 'replay';
  server: string;
  onPatchset: boolean;
  onRecheck: boolean;
  onMerged: boolean;
  onRefUpdated: boolean;
  projects: PatternRow[];
  branches: PatternRow[];
  recheck: string;
  replayFile: string;
  replayPace: string;
}

export interface GerritEventsNode extends Node {
  /** Runs the newest open change again, for the button. */
  runNewest(): Promise<void>;
}

/** What a node has seen, kept over deploys so that its status goes on counting. */
const seen = new Map<string, { seen: number; taken: number; garbage: number; dropped: number }>();

const triggersOf = (config: Config): TriggerType[] => [
  ...(flagOf(config.onPatchset) ? (['patchset'] as const) : []),
  ...(flagOf(config.onRecheck) ? (['recheck'] as const) : []),
  ...(flagOf(config.onMerged) ? (['merged'] as const) : []),
  ...(flagOf(config.onRefUpdated) ? (['ref'] as const) : []),
];

/** The projects that are named in full. */
const exactProjects = (config: Config): string[] =>
  rowsOf<PatternRow>(config.projects)
    .filter((row) => row.match === 'exact' && textOf(row.pattern))
    .map((row) => row.pattern);

/** The projects to ask Gerrit about: those named in full, or all where there are patterns, which Gerrit does not know. */
const askedProjects = (config: Config): string[] => {
  const exact = exactProjects(config);
  const rows = rowsOf<PatternRow>(config.projects).filter((row) => textOf(row.pattern));
  return exact.length === rows.length ? exact : ['*'];
};

/** gerrit-events: what happens in Gerrit, as far as builds are for it. */
export default function (RED: NodeAPI): void {
  useTexts('gerrit-events', RED);
  nodeAction(RED, 'gerrit-events', 'run', (node) => (node as GerritEventsNode).runNewest());
  RED.nodes.registerType('gerrit-events', function (this: GerritEventsNode, config: Config) {
    RED.nodes.createNode(this, config);
    const { runtime, key } = enter(RED, this);
    const counts = seen.get(key) ?? { seen: 0, taken: 0, garbage: 0, dropped: 0 };
    seen.set(key, counts);
    const closed = new AbortController();
    let health: LinkHealth = { state: 'connecting' };
    let painting: NodeJS.Timeout | undefined;
    /** How far a replay is; undefined for a live stream. */
    let replay: 'status.replaying' | 'status.replayed' | undefined;

    const paint = () => {
      clearTimeout(painting);
      painting = undefined;
      if (closed.signal.aborted) return;
      const extra =
        (counts.garbage ? ` ${text(this.type, 'status.garbage', counts)}` : '') +
        (counts.dropped ? ` ${text(this.type, 'status.dropped', counts)}` : '');
      if (replay) {
        const fill = replay === 'status.replayed' ? 'grey' : 'green';
        this.status({ fill, shape: 'dot', text: text(this.type, replay, counts) + extra });
      } else if (health.state === 'up') {
        this.status({ fill: 'green', shape: 'dot', text: text(this.type, 'status.connected', counts) + extra });
      } else if (health.state === 'connecting') {
        this.status({ fill: 'yellow', shape: 'ring', text: text(this.type, 'status.connecting') });
      } else {
        const wait = Math.max(0, Math.ceil(((health.retryAt ?? Date.now()) - Date.now()) / 1000));
        const why = health.error?.message ?? '';
        this.status({
          fill: 'red',
          shape: 'ring',
          text: `${text(this.type, 'status.retry', { seconds: wait })}: ${why}`.slice(0, 120),
        });
        if (wait > 0) painting = setTimeout(paint, 1000).unref();
      }
    };
    // A flood of events must not become a flood of statuses.
    const repaint = () => {
      painting ??= setTimeout(paint, 200).unref();
    };
    let said = '';
    const onHealth = (now: LinkHealth) => {
      health = now;
      if (now.error && now.error.message !== said) this.warn(now.error.message);
      said = now.error?.message ?? '';
      paint();
    };

    const emit = (
      event: GerritEvent,
      trigger: Trigger | { type: 'manual'; key: string; reason: string },
      server: string,
    ) => {
      const change = changeOf(event, server);
      if (!change) return;
      counts.taken += 1;
      this.send({ topic: change.project, payload: event, change, trigger } as never);
    };
    const open = async (
      triggers = triggersOf(config),
    ): Promise<{ entry: ServerEntry | undefined; filter: ReturnType<typeof makeFilter> }> => {
      const node = RED.nodes.getNode(config.server) as GerritServerNode | null;
      const entry = await node?.server;
      const settings: FilterSettings = {
        triggers,
        projects: rowsOf<PatternRow>(config.projects).filter((row) => textOf(row.pattern)),
        branches: rowsOf<PatternRow>(config.branches).filter((row) => textOf(row.pattern)),
        ciUser: entry?.ciUser ?? '',
        ciName: entry?.ciName ?? 'my-ci',
        ...(textOf(config.recheck) ? { recheck: textOf(config.recheck) } : {}),
      };
      return { entry, filter: makeFilter(settings) };
    };
    const onEvent = (filter: ReturnType<typeof makeFilter>, server: string) => (event: GerritEvent) => {
      counts.seen += 1;
      const verdict = filter(event);
      if (verdict.take) emit(event, verdict.trigger, server);
      repaint();
    };

    const listen = async () => {
      const { entry, filter } = await open();
      if (config.source === 'replay') {
        const pace = textOf(config.replayPace, 'recorded');
        const asked: ReplayPace = pace === 'asap' || pace === 'recorded' ? pace : numberOf(pace, 0);
        replay = 'status.replaying';
        paint();
        const done = await replayFile(
          textOf(config.replayFile),
          { pace: asked, signal: closed.signal },
          onEvent(filter, entry?.id ?? config.server),
        );
        counts.garbage += done.garbage;
        replay = 'status.replayed';
        paint();
        return;
      }
      if (!entry) {
        this.status({ fill: 'red', shape: 'ring', text: text(this.type, 'status.noServer') });
        return;
      }
      if (closed.signal.aborted) return;
      const detach = runtime.streams.attach(
        entry.link,
        key,
        eventTypesOf(triggersOf(config)),
        {
          onEvent: onEvent(filter, entry.id),
          onGarbage: () => {
            counts.garbage += 1;
            repaint();
          },
          onDropped: () => {
            counts.dropped += 1;
            repaint();
          },
          onHealth,
        },
        { catchUp: { projects: askedProjects(config) } },
      );
      closed.signal.addEventListener('abort', detach, { once: true });
    };

    this.runNewest = async () => {
      // Whatever triggers here, its projects and branches hold for the button too.
      const { entry, filter } = await open(['patchset']);
      if (!entry) throw new Error(text(this.type, 'status.noServer'));
      const newest = await entry.client.newestOpenChange(
        askedProjects(config).filter((name) => name !== '*'),
        AbortSignal.timeout(30_000),
        (event) => filter({ ...event, type: 'patchset-created' }).take,
      );
      if (!newest) throw new Error(text(this.type, 'status.noChange'));
      emit(newest, { type: 'manual', key: `manual-${Date.now()}`, reason: text(this.type, 'status.manual') }, entry.id);
    };

    guard(
      this,
      () =>
        listen().catch((error: unknown) => {
          if (!closed.signal.aborted) throw error;
        }),
      (error) => {
        this.error(messageOf(error));
      },
    );
    this.on('close', () => {
      clearTimeout(painting);
      closed.abort();
    });
  });
}
