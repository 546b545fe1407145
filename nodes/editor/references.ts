/** Settings that are an array of ids of configuration nodes. */
import { iconButton, tick } from './dom.ts';
import type { EditorNode } from './editor-node.ts';
import { type Form, formOf } from './form.ts';
import { say } from './words.ts';

const MODULE = '@recheck/node-red-gerrit-ci';
const NODE_EVENTS = ['nodes:add', 'nodes:change', 'nodes:remove'];

/** Returns the settings of a node that are such an array, each as [property, type of the configuration nodes]. */
const referenceLists = (node: EditorNode): [string, string][] =>
  Object.entries(node._def?.defaults ?? {}).flatMap(([property, { type }]) =>
    type?.endsWith('[]') && node._def.set?.module === MODULE ? [[property, type.slice(0, -2)]] : [],
  );

function countUse(node: EditorNode, isGone = false): void {
  for (const [property, type] of referenceLists(node)) {
    RED.nodes.eachConfig((config) => {
      if (config.type !== type || !config.users) return;
      const index = config.users.indexOf(node);
      const isUsed = !isGone && ((node[property] as string[] | undefined) ?? []).includes(config.id);
      if (isUsed && index < 0) config.users.push(node);
      if (!isUsed && index >= 0) config.users.splice(index, 1);
    });
  }
}

/**
 * Adds the nodes that reference a configuration node from an array to its users. Node-RED does so for single references
 * only, and would list the configuration node as unused.
 */
export function countUseInLists(): void {
  RED.events.on('nodes:add', (node: EditorNode) => setTimeout(() => countUse(node)));
  RED.events.on('nodes:change', (node: EditorNode) => countUse(node));
  RED.events.on('nodes:remove', (node: EditorNode) => countUse(node, true));
}

/**
 * Shows a setting that is an array of configuration nodes: a checkbox and an edit button for each existing node of the
 * type, and a button that adds one.
 */
export function showReferences(form: Form, property: string, type: string): void {
  const { node, prefix } = form;
  const place = form.root.find(`#recheck-${property}`);
  const chosen = new Set(node[property] as string[] | undefined);
  const edit = (id: string) => RED.editor.editConfig(`recheck-${property}`, type, id, prefix, node);
  let known: Set<string> | undefined;

  const line = (config: EditorNode): JQuery => {
    const box = $<HTMLInputElement>('<input type="checkbox">')
      .prop('checked', chosen.has(config.id))
      .on('change', (event) => {
        if (event.target.checked) chosen.add(config.id);
        else chosen.delete(config.id);
      });
    const label = tick(box as JQuery<HTMLElement>, RED.utils.getNodeLabel(config, config.id));
    const pencil = iconButton('fa-pencil', RED._('editor.editConfig', { type }), () => edit(config.id));
    return $('<div class="recheck-line">').append(label, pencil);
  };
  const draw = (): void => {
    const configs: EditorNode[] = [];
    RED.nodes.eachConfig((config) => {
      if (config.type === type && (!config.z || config.z === node.z)) configs.push(config);
    });
    // Ticks the only node there is, and nodes that were added from this form.
    for (const { id } of configs) {
      if (known ? !known.has(id) : configs.length === 1 && chosen.size === 0) chosen.add(id);
    }
    known = new Set(configs.map(({ id }) => id));
    place.empty().append(configs.map(line));
    const none = $('<span class="recheck-hint">').text(configs.length > 0 ? '' : say('references.none', { type }));
    const add = iconButton('fa-plus', RED._('editor.addNewConfig', { type }), () => edit('_ADD_'));
    $('<div class="recheck-line">').append(none, add).appendTo(place);
    form.later();
  };
  const redraw = (changed: EditorNode): void => {
    if (changed.type === type) setTimeout(() => formOf(node) === form && draw());
  };
  for (const name of NODE_EVENTS) RED.events.on(name, redraw);
  draw();
  form.part(property, {
    element: place,
    value: () => [...chosen].filter((id) => known?.has(id)),
    dispose: () => {
      for (const name of NODE_EVENTS) RED.events.off(name, redraw);
    },
  });
}
