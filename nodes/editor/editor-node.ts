/** Types of the nodes in Node-RED's editor. */

/** Values for the placeholders in a text. */
export type Values = Record<string, unknown>;

/** Result of a validator: whether the setting is valid, or error messages, the most important one first. */
export type Verdict = boolean | string | string[];

interface PropertyDefinition {
  value?: unknown;
  /** The type of the configuration node whose id the setting is. With `[]` appended, the setting is an array of ids. */
  type?: string;
  validate?(this: EditorNode, value: unknown, options: object): Verdict;
}

/** The definition that a node type was registered with. */
interface TypeDefinition {
  category: string;
  defaults: Record<string, PropertyDefinition>;
  credentials?: Record<string, PropertyDefinition>;
  set?: { module: string };
  _(key: string, values?: Values): string;
}

/** A node in the editor, with its settings as saved. */
export interface EditorNode {
  readonly id: string;
  readonly type: string;
  name?: string;
  z?: string;
  /** Whether it has changes that are not deployed. */
  changed?: boolean;
  valid?: boolean;
  /** Only for a configuration node: the nodes that use it. */
  users?: EditorNode[];
  /** Only for a link node: the ids of the nodes that it is linked to. */
  links?: string[];
  credentials?: Record<string, string | boolean | undefined>;
  _def: TypeDefinition;
  _(key: string, values?: Values): string;
  [setting: string]: unknown;
}
