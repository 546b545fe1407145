import type { ServerChannel } from 'ssh2';
import { gsonLine, type StreamEvent, seconds } from '../model/events.ts';
import { Refusal } from '../model/refusal.ts';
import type { Site } from '../model/site.ts';
import type { Account } from '../model/types.ts';
import { parseOptions } from './options.ts';

/** Events queued for a slow reader (StreamEvents.MAX_EVENTS of Gerrit); more are dropped. */
const MAX_QUEUED_EVENT_COUNT = 128;
const OPTIONS = [{ names: ['--subscribe', '-s'], value: true }];

/**
 * Runs `gerrit stream-events [-s TYPE]…`: writes each event as a line until the client closes the channel. A reader
 * that falls behind gets `dropped-output` before the events that were kept.
 *
 * @throws Refusal for options that cannot be used
 */
export function streamEvents(site: Site, account: Account, words: readonly string[], channel: ServerChannel): void {
  const types = new Set(parseOptions(words, OPTIONS).options.get('--subscribe'));
  if (!account.service && !account.admin) throw new Refusal('stream events not permitted\n');
  const queue: StreamEvent[] = [];
  let dropped = false;
  let blocked = false;

  const pump = () => {
    while (!blocked && (dropped || queue.length > 0)) {
      const event = dropped ? { type: 'dropped-output', eventCreatedOn: seconds(Date.now()) } : queue.shift()!;
      dropped = false;
      blocked = !channel.write(`${gsonLine(event)}\n`);
    }
  };
  const stop = site.onEvent((event) => {
    if (types.size > 0 && !types.has(event.type)) return;
    if (queue.length >= MAX_QUEUED_EVENT_COUNT) dropped = true;
    else queue.push(event);
    pump();
  });
  channel.on('drain', () => {
    blocked = false;
    pump();
  });
  channel.on('close', stop);
  channel.resume(); // so that the client's end is noticed
}
