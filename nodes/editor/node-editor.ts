import type { EditorNode, Verdict } from './editor-node.ts';
import { type Form, formOf, openForm, type Size } from './form.ts';

/** A node whose settings are typed. */
export type NodeOf<Settings> = EditorNode & Settings;

/** The code of a node type in the editor; its editor.html holds the constants. */
export interface NodeEditor<Settings> {
  /** Returns the label of a node without a name. */
  label(node: NodeOf<Settings>): string;
  /** Returns the label of an output. Configuration nodes have no outputs. */
  outputLabel?(node: NodeOf<Settings>, index: number): string | undefined;
  /** Called when the button of the node is pressed. */
  press?(node: NodeOf<Settings>): void;
  /** Validators of settings and credentials, by property. */
  validate: { [Property in string]?: (node: NodeOf<Settings>, value: unknown) => Verdict };
  /** Adds everything but plain fields to the form when it is opened. */
  prepare?(form: Form, node: NodeOf<Settings>): void;
}

/**
 * Makes the functions that editor.html spreads into the definition for `RED.nodes.registerType`, and `validate`: the
 * validators, by property, that it adds to the defaults and credentials.
 */
export function nodeEditor<Settings>(type: string, editor: NodeEditor<Settings>): object {
  type Node = NodeOf<Settings>;
  const { outputLabel, press } = editor;
  const validate = Object.entries(editor.validate).map(([property, check]) => [
    property,
    // Node-RED accepts error messages only from validators that declare two parameters.
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
