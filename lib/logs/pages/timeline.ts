import type { StepRecord } from '../../model/build.ts';
import { formatDuration } from '../../util/format.ts';
import { type Html, html } from '../../util/html.ts';

const KINDS = ['waiting', 'clone', 'boot', 'steps', 'logs', 'running'] as const;
type Kind = (typeof KINDS)[number];

const KIND_OF: Record<string, Kind> = {
  'clone-image': 'clone',
  'virsh-boot': 'boot',
  'metadata-server': 'boot',
  'publish-logs': 'logs',
};

interface Span {
  kind: Kind;
  name: string;
  /** Milliseconds since the build's start. */
  from: number;
  to: number;
  lane: number;
  failed: boolean;
  line?: number | undefined;
}

/** Returns the spans of a build: its steps, and waiting between them. Steps at the same time are in different lanes. */
function spansOf(start: number, end: number, steps: readonly StepRecord[], running: string | undefined): Span[] {
  const sorted = steps
    .map((step) => ({ step, from: Date.parse(step.startedAt) - start }))
    .filter(({ from }) => Number.isFinite(from))
    .sort((a, b) => a.from - b.from);
  const spans: Span[] = [];
  const lanes: number[] = [];
  let reached = 0;
  // A shorter gap is the time between two steps, not a wait.
  const gap = Math.max(200, (end - start) / 100);
  const wait = (from: number, to: number): void => {
    if (to - from >= gap) spans.push({ kind: 'waiting', name: 'waiting', from, to, lane: 0, failed: false });
  };
  for (const { step, from } of sorted) {
    wait(reached, from);
    const to = from + step.duration;
    const free = lanes.findIndex((until) => until <= from + 1);
    const lane = free === -1 ? lanes.length : free;
    lanes[lane] = to;
    reached = Math.max(reached, to);
    const failed = step.result !== 'SUCCESS' && step.result !== 'SKIPPED';
    spans.push({ kind: KIND_OF[step.type] ?? 'steps', name: step.name, from, to, lane, failed, line: step.line });
  }
  const rest = { from: reached, to: end - start };
  if (running === undefined) wait(rest.from, rest.to);
  else spans.push({ ...rest, kind: 'running', name: running, lane: 0, failed: false });
  return spans;
}

const percent = (part: number, whole: number): string => `${Math.round((part / whole) * 10000) / 100}%`;

/**
 * Renders where the time went: a bar for each step, as wide as its duration, and below how long each kind took.
 *
 * @param start milliseconds since the epoch, as is `end`, which is now while the build runs
 * @param running what the build does now, while it runs
 */
export function timeline(start: number, end: number, steps: readonly StepRecord[], running?: string): Html {
  const spans = spansOf(start, end, steps, running);
  const whole = Math.max(1, end - start, ...spans.map((span) => span.to));
  const lanes = Math.max(1, ...spans.map((span) => span.lane + 1));
  const bars = spans.map((span) => {
    const style = `left:${percent(span.from, whole)};width:${percent(span.to - span.from, whole)};top:${span.lane * 30}px`;
    const title = `${span.name}: ${formatDuration(span.to - span.from)}`;
    const kind = `${span.kind}${span.failed ? ' failed' : ''}`;
    // A name that does not fit is omitted.
    const label = (span.to - span.from) / whole > 0.09 && span.kind !== 'waiting' && span.name;
    if (span.line === undefined) return html`<span class="${kind}" style="${style}" title="${title}">${label}</span>`;
    return html`<a class="${kind}" style="${style}" title="${title}" href="console.html#L${span.line}">${label}</a>`;
  });
  const totals = KINDS.map((kind) => {
    const mine = spans.filter((span) => span.kind === kind);
    const sum = mine.reduce((total, span) => total + span.to - span.from, 0);
    return mine.length > 0 && html`<li><i class="${kind}"></i>${kind} <b>${formatDuration(sum)}</b></li>`;
  });
  return html`<div class="timeline" role="img" aria-label="Timeline of the build" style="height:${lanes * 30 - 4}px">${bars}</div>
<ul class="legend">${totals}<li class="all">total <b>${formatDuration(end - start)}</b></li></ul>`;
}
