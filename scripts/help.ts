import { escapeHtml } from '../lib/util/html.ts';
import { NODES } from './messages/nodes.ts';
import type { Property } from './messages/types.ts';

/** What a help page has in the place of its "Inputs" and "Outputs". */
const PLACE = /^[ ]*<!-- messages -->$/m;

/** Returns a text of scripts/messages/ as HTML: references to other sections of docs/messages.md are left out. */
const htmlOf = (text: string): string =>
  escapeHtml(text.replace(/ \(see \*[^*]*\*\)/g, '')).replace(/`([^`]*)`/g, '<code>$1</code>');

const properties = (list: readonly Property[]): string =>
  [
    '<dl class="message-properties">',
    ...list.map(
      ({ name, type, text, optional }) =>
        `<dt${optional ? ' class="optional"' : ''}>${escapeHtml(name)} <span class="property-type">${escapeHtml(type)}</span></dt>\n<dd>${htmlOf(text)}.</dd>`,
    ),
    '</dl>',
  ].join('\n');

/**
 * Returns the help page of a node type with the messages that scripts/messages/ describes, in Node-RED's format for help.
 *
 * @throws Error if a page has no place for messages that the node has
 */
export function helpWithMessages(type: string, page: string): string {
  const node = NODES.find((each) => each.type === type);
  if (!node) return page;
  if (!PLACE.test(page)) throw new Error(`nodes/${type}/help.html has no <!-- messages -->.`);
  const outputs = node.outputs.map(({ title, properties: list }) => {
    const [, name = ''] = /^Output(?: \d+)?: (.*)$/.exec(title) ?? [];
    return `<li>${htmlOf(name || 'the message')}\n${properties(list)}\n</li>`;
  });
  const parts = [
    ...(node.inputs.length > 0 ? ['<h3>Inputs</h3>', properties(node.inputs)] : []),
    '<h3>Outputs</h3>',
    node.outputs.length > 1
      ? `<ol class="node-ports">\n${outputs.join('\n')}\n</ol>`
      : properties(node.outputs[0]?.properties ?? []),
  ];
  return page.replace(PLACE, () => parts.join('\n'));
}
