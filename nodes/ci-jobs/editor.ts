import { check, checkEach, checkRows } from '../editor/check.ts';
import { type Column, NAME_COLUMN } from '../editor/columns.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { listPart, makeList } from '../editor/list.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { current, reasonOf } from '../editor/rules.ts';
import { press } from '../editor/server.ts';
import { sayOf } from '../editor/words.ts';
import { type JobView, makeJob } from './editor-job.ts';
import { allJobReasons, type Job, type Lane, laneTitle } from './editor-jobs.ts';
import { makeLanes } from './editor-lanes.ts';

interface Settings {
  jobs: Job[];
  lanes: Lane[];
}

const eventColumns = (node: EditorNode): Column[] => [
  NAME_COLUMN,
  {
    key: 'path',
    own: 'row.path',
    check: (value) => reasonOf(sayOf(node, 'row.path'), value, { pattern: /^[\w-]+(\.[\w-]+)*$/, says: 'dotted' }),
  },
];

function checkJobs(node: EditorNode, value: unknown): Verdict {
  const lanes = current(node, 'lanes') as Lane[];
  return checkEach<Job>(node, 'jobs', value, (job) => allJobReasons(node, job, lanes), 1);
}

/** Adds the lists of jobs and lanes to the form, and the outputs that follow from them. */
function showJobs(form: Form, { jobs, lanes: savedLanes }: Settings): void {
  const views = (): JobView[] => list.views();
  const jobsNow = (): Job[] => views().map((view) => view.value());
  const lanes = makeLanes(form, savedLanes, () => jobsNow());
  const list = makeList<{ job?: Job }, JobView>(form.root.find('#recheck-jobs'), {
    add: form.say('add.job'),
    changed: () => form.later(),
    make(container, { job }) {
      const lane = jobsNow().at(-1)?.lane ?? lanes.lanes()[0]?.id ?? '';
      const fresh = { name: '', voting: true, lane, timeout: '90', env: [], events: [], projects: [], branches: [] };
      const view = makeJob(form, container, { ...fresh, ...job }, lanes.add);
      if (!job) container.find('input').first().trigger('focus');
      return view;
    },
  });
  for (const job of jobs) list.add({ job });

  listPart(form, 'jobs', {
    element: list.element,
    value: jobsNow,
    refresh() {
      const now = jobsNow();
      return views()
        .map((view) => view.refresh(lanes.lanes(), now))
        .every(Boolean);
    },
  });
  form.part('lanes', {
    element: lanes.element,
    value: () => lanes.lanes().map(({ id, label }) => ({ id, label })),
    refresh: lanes.refresh,
  });
  const field = form.field('outputs');
  form.part('outputs', { field, value: lanes.outputs, refresh: () => field.val(lanes.outputs()) });
}

export default nodeEditor<Settings>('ci-jobs', {
  label: ({ jobs }) => jobs.map((job) => job.name).join(', ') || 'ci-jobs',
  outputLabel(node, index) {
    const lane = node.lanes[index];
    return lane && (laneTitle(lane, node.jobs) || node._('ci-jobs.lane.unused'));
  },
  press: (node) => press(node, 'POST', 'abort'),
  validate: {
    pipeline: (node, value) => check(node, 'pipeline', value, { pattern: /^\w+$/, says: 'pipeline' }),
    jobs: checkJobs,
    lanes: (node, value) => checkRows(node, 'lanes', value, [], 1),
    eventEnv: (node, value) => checkRows(node, 'eventEnv', value, eventColumns(node)),
    idle: (node, value) => check(node, 'idle', value, { whole: [1, 10_080] }),
  },
  prepare(form, node) {
    showJobs(form, node);
    showRows(form, 'eventEnv', { columns: eventColumns(node), add: form.say('add.variable') });
  },
});
