import { check } from '../editor/check.ts';
import { notify } from '../editor/dom.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { intoLastUsed, type Offer, showOffers } from '../editor/offers.ts';
import { press } from '../editor/server.ts';
import { checkTemplate } from '../editor/template-check.ts';

/** Tags of the review text, by the group in which the form offers them. */
const TAGS = {
  report: [
    'status',
    'pipeline',
    'ci',
    'change.number',
    'change.patchset',
    'change.project',
    'change.branch',
    'change.subject',
    'change.url',
  ],
  job: ['name', 'url', 'result', 'time', 'nonVoting'],
  seed: ['succeeded', 'success', 'log_path'],
};

function tagOf(name: string): string {
  if (name === 'nonVoting') return '{{#nonVoting}} (non-voting){{/nonVoting}}';
  return /url/.test(name) ? `{{{${name}}}}` : `{{${name}}}`;
}

const offersOf = (form: Form): Offer[] =>
  Object.entries(TAGS).map(([group, names]) => ({
    title: form.say(`offer.${group}`),
    items: names.map((name) => ({
      text: name,
      insert: tagOf(name),
      title: form.say(`field.${name.replace('.', '-')}`),
    })),
  }));

/** Checks a vote: a whole number, with or without a plus sign. */
const checkVote = (node: EditorNode, property: string, value: unknown): Verdict => {
  const number = typeof value === 'string' ? value.replace(/^\+/, '') : value;
  return check(node, property, number, { whole: [-10, 10], when: { vote: true } });
};

export default nodeEditor<{ vote: boolean; label: string }>('gerrit-review', {
  label: (node) => (node.vote ? node._('gerrit-review.votes', { label: node.label }) : 'gerrit-review'),
  outputLabel: (node) => node._('gerrit-review.output'),
  press: (node) =>
    press<{ url: string }>(node, 'GET', 'last', ({ url = '' }) => {
      if (/^(https?:)?\//.test(url)) window.open(url, '_blank', 'noopener');
      else notify(node._('gerrit-review.button.none'), 'warning');
    }),
  validate: {
    label: (node, value) =>
      check(node, 'label', value, { pattern: /^[A-Za-z][\w-]*$/, says: 'voteLabel', when: { vote: true } }),
    success: (node, value) => checkVote(node, 'success', value),
    failure: (node, value) => checkVote(node, 'failure', value),
    header: (node, value) => checkTemplate(node, 'header', value),
    jobLine: (node, value) => checkTemplate(node, 'jobLine', value),
    footer: (node, value) => checkTemplate(node, 'footer', value, { optional: true }),
    tag: (node, value) => check(node, 'tag', value, { optional: true, pattern: /^\S+$/, says: 'noSpaces' }),
  },
  prepare(form) {
    form.showWhen('vote', true, '.recheck-if-vote');
    const put = intoLastUsed(form.root.find('.recheck-template'));
    showOffers(form.root.find('#recheck-fields'), offersOf(form), put);
  },
});
