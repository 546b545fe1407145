import { foldButton, formRow, reasonPlace, showWords, tick } from '../editor/dom.ts';
import type { Form } from '../editor/form.ts';
import type { ItemView } from '../editor/list.ts';
import { makeRows, type RowList } from '../editor/rows.ts';
import { JOB_LISTS, type Job, jobReasons, type Lane, laneTitle } from './editor-jobs.ts';

const EVENTS = ['patchset', 'recheck', 'merged', 'ref'];
/** The events of a job whose list of events is empty. */
const DEFAULT_EVENTS = ['patchset', 'recheck'];
/** Value of the option that adds a lane. */
const NEW_LANE = '+';

/** The fields of a job. */
export interface JobView extends ItemView {
  value(): Job;
  /** Updates the choice of lanes and shows errors; returns whether the job is valid. */
  refresh(lanes: readonly Lane[], jobs: readonly Job[]): boolean;
}

const areDefault = (events: readonly string[]): boolean =>
  events.length === DEFAULT_EVENTS.length && DEFAULT_EVENTS.every((event) => events.includes(event));

const foldRow = (label: string, content: JQuery): JQuery => formRow(label, $('<div>').append(content), 'recheck-top');

/** Makes the fields of a job. `addLane` adds a lane and returns its id. */
export function makeJob(form: Form, container: JQuery, job: Job, addLane: () => string): JobView {
  const say = (key: string, values?: Record<string, unknown>): string => form.say(`job.${key}`, values);
  const name = $('<input type="text" spellcheck="false" data-column="name">')
    .val(job.name)
    .attr({ placeholder: say('name'), 'aria-label': say('name') });
  const voting = $('<input type="checkbox" data-column="voting">').prop('checked', job.voting);
  const lane = $('<select data-column="lane">').attr({ 'aria-label': say('lane'), title: say('lane') });
  const fold = foldButton('fa-sliders', say('more'));
  $('<div class="recheck-cells">')
    .append(name, tick(voting, say('voting'), 'recheck-fit'), lane, fold)
    .appendTo(container);
  const gist = $('<div class="recheck-gist">').appendTo(container);
  const place = reasonPlace().appendTo(container);

  const details = $('<div class="recheck-fold" hidden>').appendTo(container);
  const timeout = $('<input type="text" class="recheck-short" data-column="timeout">').val(job.timeout);
  const minutes = $('<span class="recheck-unit">').text(say('minutes'));
  foldRow(say('timeout'), $('<div class="recheck-line">').append(timeout, minutes)).appendTo(details);
  const events = showEvents(form, details, job.events.length > 0 ? job.events : DEFAULT_EVENTS);
  const makeJobList = (key: keyof typeof JOB_LISTS): RowList => {
    const list = $('<ol>');
    foldRow(say(key), list).appendTo(details);
    const options = { columns: JOB_LISTS[key], rows: job[key], add: say(`add-${key}`), empty: say(`any-${key}`) };
    return makeRows(form, list, options);
  };
  const lists = { projects: makeJobList('projects'), branches: makeJobList('branches'), env: makeJobList('env') };
  const show = (isShown: boolean): void => {
    details.prop('hidden', !isShown);
    gist.prop('hidden', isShown);
    fold.attr('aria-expanded', String(isShown));
  };
  fold.on('click', () => show(details.prop('hidden')));
  show(false);

  let laneId = job.lane;
  lane.on('change', () => {
    laneId = lane.val() === NEW_LANE ? addLane() : String(lane.val());
    form.refresh();
  });
  const value = (): Job => ({
    name: String(name.val()).trim(),
    voting: voting.prop('checked'),
    lane: laneId,
    timeout: String(timeout.val()).trim(),
    env: lists.env.value(),
    events: areDefault(events()) ? [] : events(),
    projects: lists.projects.value(),
    branches: lists.branches.value(),
  });
  const gistOf = (now: Job): string => {
    const rows = [now.projects, now.branches, now.env].map((each) =>
      each.map((row) => row['pattern'] ?? row['name']).join(', '),
    );
    const eventWords = events().map((event) => say(`event-${event}`));
    return [say('gist-timeout', { timeout: now.timeout }), eventWords.join(', '), ...rows].filter(Boolean).join(' · ');
  };
  return {
    value,
    refresh(lanes, jobs) {
      const now = value();
      fillLanes(form, lane, lanes, jobs);
      lane.val(laneId);
      const reasons = jobReasons(form.node, now, lanes);
      for (const [key, field] of Object.entries({ name, lane, timeout }))
        field.toggleClass('input-error', key in reasons);
      const areListsGood = Object.values(lists)
        .map((list) => list.refresh())
        .every(Boolean);
      if (!areListsGood || reasons.timeout) show(true);
      const words = Object.values(reasons).join(' ');
      showWords(place, words);
      gist.text(gistOf(now));
      return areListsGood && words === '';
    },
  };
}

/** Shows a checkbox for each event. Returns a function that returns the ticked events. */
function showEvents(form: Form, place: JQuery, chosen: readonly string[]): () => string[] {
  const boxes = EVENTS.map((event) => ({
    event,
    box: $('<input type="checkbox">').prop('checked', chosen.includes(event)),
  }));
  const labels = boxes.map(({ event, box }) => tick(box, form.say(`job.event-${event}`)));
  foldRow(form.say('job.events'), $('<div class="recheck-ticks">').append(labels)).appendTo(place);
  return () => boxes.filter(({ box }) => box.prop('checked')).map(({ event }) => event);
}

/** Fills the choice of a lane with the existing lanes and an option that adds one. */
function fillLanes(form: Form, choice: JQuery, lanes: readonly Lane[], jobs: readonly Job[]): void {
  choice.empty();
  for (const [index, lane] of lanes.entries()) {
    const title = laneTitle(lane, jobs) || form.say('lane.unused');
    const words = form.say('lane.option', { number: index + 1, title });
    $('<option>').val(lane.id).text(words).appendTo(choice);
  }
  $('<option>').val(NEW_LANE).text(form.say('lane.new')).appendTo(choice);
}
