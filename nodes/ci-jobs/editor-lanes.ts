import type { Form } from '../editor/form.ts';
import { type ItemView, makeList } from '../editor/list.ts';
import { type Job, jobNamesOn, type Lane } from './editor-jobs.ts';

/** A lane in the list; `was` is the index of its output when the form was opened, undefined for a new lane. */
interface LaneData extends Partial<Lane> {
  was?: number;
}

interface LaneView extends ItemView {
  lane(): Lane & { was: number | undefined };
  /** Shows the number of its output, and the title that it has without a label. */
  show(number: number, title: string): void;
}

/** The list of lanes. */
export interface Lanes {
  element: JQuery;
  lanes(): (Lane & { was: number | undefined })[];
  /** Adds a lane; returns its id. */
  add(): string;
  /** Updates the numbers and titles. */
  refresh(): void;
  /**
   * Returns the new index of each output by its old index, as JSON for Node-RED's hidden `outputs` field: -1 for a
   * removed output; the key of a new one is not a number.
   */
  outputs(): string;
}

function makeLane(form: Form, container: JQuery, data: LaneData): LaneView {
  data.id ??= RED.nodes.id();
  const { id, was } = data;
  const label = $('<input type="text">')
    .val(data.label ?? '')
    .attr('aria-label', form.say('lane.label'));
  const number = $('<span class="recheck-fit recheck-unit recheck-number">');
  $('<div class="recheck-cells">').append(number, label).appendTo(container);
  return {
    lane: () => ({ id, label: String(label.val()).trim(), was }),
    show(index, title) {
      number.text(index);
      label.attr('placeholder', title);
    },
  };
}

/** Makes the list of lanes, in the order of the outputs. */
export function makeLanes(form: Form, saved: readonly Lane[], jobsNow: () => Job[]): Lanes {
  const list = makeList<LaneData, LaneView>(form.root.find('#recheck-lanes'), {
    add: form.say('add.lane'),
    changed: () => form.later(),
    make: (container, data) => makeLane(form, container, data),
  });
  saved.forEach((lane, was) => {
    list.add({ ...lane, was });
  });
  const lanes = () => list.views().map((view) => view.lane());
  return {
    element: list.element,
    lanes,
    add() {
      const lane: LaneData = {};
      list.add(lane);
      return lane.id!;
    },
    refresh() {
      const jobs = jobsNow();
      for (const [index, view] of list.views().entries()) {
        view.show(index + 1, jobNamesOn(view.lane(), jobs) || form.say('lane.unused'));
      }
    },
    outputs() {
      const map: Record<string, number> = Object.fromEntries(saved.map((_, index) => [index, -1]));
      for (const [index, { id, was }] of lanes().entries()) map[was ?? `new-${id}`] = index;
      return JSON.stringify(map);
    },
  };
}
