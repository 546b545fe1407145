import type { EditorNode } from '../editor/editor-node.ts';
import type { Offer, OfferedWord } from '../editor/offers.ts';
import { upstreamOf } from '../editor/upstream.ts';
import { say } from '../editor/words.ts';

/** Environment variables that every script of a build gets from the event. */
const EVENT_VARIABLES = [
  'GERRIT_PROJECT',
  'GERRIT_BRANCH',
  'GERRIT_REF',
  'GERRIT_REFSPEC',
  'GERRIT_CHANGE_ID',
  'GERRIT_CHANGE_NUMBER',
  'GERRIT_CHANGE_URL',
  'GERRIT_CHANGE_SUBJECT',
  'GERRIT_CHANGE_OWNER',
  'GERRIT_PATCHSET_NUMBER',
  'GERRIT_PATCHSET_REVISION',
  'GERRIT_EVENT_TYPE',
  'GERRIT_REFUPD_REFNAME',
  'GERRIT_REFUPD_OLD',
  'GERRIT_REFUPD_NEW',
];

type Named = { name?: string }[];

const namesOf = (rows: unknown): string[] => ((rows ?? []) as Named).map((row) => row.name ?? '').filter(Boolean);

/** Returns the environment variables that a node adds to later scripts. */
function addedBy(node: EditorNode): string[] {
  if (node.type === 'clone-image') return [String(node['addressEnv'] ?? '')].filter(Boolean);
  if (node.type !== 'ci-jobs') return [];
  const jobs = (node['jobs'] ?? []) as { env?: unknown }[];
  return [...namesOf(node['eventEnv']), ...jobs.flatMap((job) => namesOf(job.env))];
}

/** Returns the environment variables of a node's script: those that earlier nodes set, and those of the event. */
export function variablesFor(node: EditorNode): Offer[] {
  const added = [...upstreamOf(node)].flatMap((source) =>
    addedBy(source).map((name) => ({
      text: name,
      title: say('offer.from', { node: RED.utils.getNodeLabel(source, source.type) }),
    })),
  );
  const event = EVENT_VARIABLES.map((name) => ({ text: name, title: say(`variable.${name}`) }));
  const seen = new Set<string>();
  const isNew = ({ text }: OfferedWord): boolean => !seen.has(text) && seen.add(text) !== undefined;
  return [
    { title: say('offer.flow'), items: added.filter(isNew) },
    { title: say('offer.event'), items: event.filter(isNew) },
  ];
}
