import type { Node, NodeAPI } from 'node-red';
import { messageOf } from '../../lib/errors/ci-error.ts';
import { changeOf } from '../../lib/gerrit/change.ts';
import { eventTypesOf, makeFilter } from '../../lib/gerrit/filter.ts';
import { replayFile } from '../../lib/gerrit/replay.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import type { Trigger } from '../../lib/model/trigger.ts';
import { nodeAction } from '../shared/admin.ts';
import { configNode } from '../shared/config-nodes.ts';
import { guard } from '../shared/handler.ts';
import { translator } from '../shared/i18n.ts';
import { enter } from '../shared/runtime.ts';
import { textOf } from '../shared/settings.ts';
import { askedProjects, filterSettings, type GerritEventsConfig, paceOf, triggersOf } from './settings.ts';
import { EventStatus } from './status.ts';

/** A gerrit-events node. */
export interface GerritEventsNode extends Node {
  /** Runs the newest open change again, for the button. Returns a label of the change, such as `1234,2 “Subject”`. */
  runNewest(): Promise<{ label: string }>;
}

/** gerrit-events: sends a message for each Gerrit event that should start builds. */
export default function (RED: NodeAPI): void {
  const t = translator(RED);
  nodeAction(RED, 'gerrit-events', 'run', (node) => (node as GerritEventsNode).runNewest());
  RED.nodes.registerType('gerrit-events', function (this: GerritEventsNode, config: GerritEventsConfig) {
    RED.nodes.createNode(this, config);
    const { runtime, key } = enter(RED, this);
    const status = new EventStatus(this, key, runtime);
    const closed = new AbortController();

    const open = async (triggers = triggersOf(config)) => {
      const entry = await configNode(RED, 'gerrit-server', config.server)?.server;
      return { entry, filter: makeFilter(filterSettings(config, entry, triggers)) };
    };
    const emit = (event: GerritEvent, trigger: Trigger, server: string) => {
      const change = changeOf(event, server);
      if (!change) return;
      status.count('taken');
      const message = { topic: change.project, payload: event, change, trigger };
      runtime.triggers.note(key, runtime.flow.copy(message as never));
      this.send(message as never);
    };
    const onEvent = (filter: ReturnType<typeof makeFilter>, server: string) => (event: GerritEvent) => {
      status.count('seen');
      const verdict = filter(event);
      if (verdict.take) emit(event, verdict.trigger, server);
    };

    const replay = async (filter: ReturnType<typeof makeFilter>, server: string) => {
      status.replay('status.replaying');
      const options = { pace: paceOf(config), signal: closed.signal };
      const { garbage } = await replayFile(textOf(config.replayFile), options, onEvent(filter, server));
      status.count('garbage', garbage);
      status.replay('status.replayed');
    };
    const listen = async () => {
      const { entry, filter } = await open();
      if (closed.signal.aborted) return;
      if (config.source === 'replay') return replay(filter, entry?.id ?? config.server);
      if (!entry) {
        this.status({ fill: 'red', shape: 'ring', text: t(this.type, 'status.noServer') });
        return;
      }
      const subscriber = {
        onEvent: onEvent(filter, entry.id),
        onGarbage: () => status.count('garbage'),
        onDropped: () => status.count('dropped'),
        onHealth: status.health.bind(status),
      };
      const types = eventTypesOf(triggersOf(config));
      const catchUp = { projects: askedProjects(config) };
      const detach = runtime.streams.attach(entry.link, key, types, subscriber, { catchUp });
      closed.signal.addEventListener('abort', detach, { once: true });
    };

    this.runNewest = async () => {
      // The button ignores the selected triggers, but not the projects and branches.
      const { entry, filter } = await open(['patchset']);
      if (!entry) throw new Error(t(this.type, 'status.noServer'));
      const newest = await entry.client.newestOpenChange(
        askedProjects(config).filter((name) => name !== '*'),
        AbortSignal.timeout(30_000),
        (event) => filter({ ...event, type: 'patchset-created' }).take,
      );
      if (!newest) throw new Error(t(this.type, 'status.noChange'));
      emit(newest, { type: 'manual', key: `manual-${Date.now()}`, reason: t(this.type, 'status.manual') }, entry.id);
      const { number, patchset, subject = '' } = changeOf(newest, entry.id) ?? {};
      return { label: `${number},${patchset} “${subject}”` };
    };

    guard(
      this,
      () =>
        listen().catch((error: unknown) => {
          if (!closed.signal.aborted) throw error;
        }),
      (error) => this.error(messageOf(error)),
    );
    this.on('close', () => closed.abort());
  });
}
