import type { EditorNode, Verdict } from './editor-node.ts';
import { type Form, formOf, openForm, type Size } from './form.ts';

/** A node with the settings of its type. */
export type NodeOf<Settings> = EditorNode & Settings;

/** The editor half of a node type, beside the literals of its editor.html. */
export interface NodeEditor<Settings> {
  /** Returns what the node is called on the canvas if it has no name. */
  label(node: NodeOf<Settings>): string;
  /** Returns the label of an output; only configuration nodes have none. */
  outputLabel?(node: NodeOf<Settings>, index: number): string | undefined;
  /** Called when the node's button is pressed. */
  press?(node: NodeOf<Settings>): void;
  /** Validators of settings and credentials, by property. */
  validate: { [Property in string]?: (node: NodeOf<Settings>, value: unknown) => Verdict };
  /** Adds to the form, when it is opened, what is more than a plain field. */
  prepare?(form: Form, node: NodeOf<Settings>): void;
}

/** Makes what editor.html spreads into `registerType`, and `validate` for its defaults and credentials. */
export function nodeEditor<Settings>(type: string, editor: NodeEditor<Settings>): object {
  type Node = NodeOf<Settings>;
  const { outputLabel, press } = editor;
  const validate = Object.entries(editor.validate).map(([property, check]) => [
    property,
    // Node-RED takes reasons in words from validators of two parameters only.
    function (this: Node, value: unknown, _options: object): Verdict {
      return check!(this, value);
    },
  ]);
  return {
    validate: Object.fromEntries(validate),
    label(this: Node): string {
      return this.name || editor.label(this);
    },
    labelStyle(this: Node): string {
      return this.name ? 'node_label_italic' : '';
    },
    ...(outputLabel && {
      paletteLabel(this: Node): string {
        return this._(`${type}.palette`);
      },
      outputLabels(this: Node, index: number): string | undefined {
        return outputLabel(this, index);
      },
    }),
    ...(press && {
      button: {
        enabled(this: Node): boolean {
          return !this.changed;
        },
        onclick(this: Node): void {
          press(this);
        },
      },
    }),
    oneditprepare(this: Node): void {
      openForm(this, (form) => editor.prepare?.(form, this));
    },
    oneditsave(this: Node): void {
      formOf(this)?.save();
    },
    oneditcancel(this: Node): void {
      formOf(this)?.close();
    },
    oneditdelete(this: Node): void {
      formOf(this)?.close();
    },
    oneditresize(this: Node, size: Size): void {
      formOf(this)?.resize(size);
    },
  };
}
