import { check } from '../editor/check.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { applies } from '../editor/rules.ts';
import { sayOf } from '../editor/words.ts';

const WHEN = { source: 'parent' };

/** Returns the image with this id and its ancestors, nearest first. A cycle ends the list. */
function lineOf(id: unknown): EditorNode[] {
  const line: EditorNode[] = [];
  for (let image = RED.nodes.node(id); image && !line.includes(image); image = RED.nodes.node(image['parent'])) {
    line.push(image);
  }
  return line;
}

const makesCycle = (node: EditorNode, parent: unknown): boolean => lineOf(parent).some(({ id }) => id === node.id);

/** Checks the parent of an image: it exists, has a disk, and is not built from this image. */
export function checkParent(node: EditorNode, property: string, value: unknown): Verdict {
  const verdict = check(node, property, value, { config: 'vm-image', when: WHEN });
  const parent = RED.nodes.node(value);
  if (!parent || !applies(node, WHEN)) return verdict;
  const name = RED.utils.getNodeLabel(parent, parent.id);
  if (makesCycle(node, value)) return sayOf(node, 'error.cycle', { name });
  if (parent['source'] === 'empty') return sayOf(node, 'error.emptyParent', { name });
  return verdict;
}

/** Sets up the choice of a parent, without images that would form a cycle. */
export function showParent(form: Form, property: string): void {
  const field = form.field(property);
  form.onChange(() => {
    field.find<HTMLOptionElement>('option').each((_, option) => {
      if (option.value !== '_ADD_' && !option.selected && makesCycle(form.node, option.value)) option.remove();
    });
  });
  // Cleared for other sources: otherwise, Node-RED would still treat the parent as used.
  form.part(property, {
    field: { val: (id) => field.val(id || '_ADD_') },
    value: () => (form.value('source') === 'parent' && field.val() !== '_ADD_' ? field.val() || '' : ''),
  });
}
