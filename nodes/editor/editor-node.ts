/** Nodes as Node-RED's editor holds them. */

/** Values for the placeholders of a text. */
export type Values = Record<string, unknown>;

/** What a validator says of a setting: it is fine, or the reasons why not, the most important one first. */
export type Verdict = boolean | string | string[];

interface PropertyDefinition {
  value?: unknown;
  /** The type of the configuration node that the setting names; with `[]` at its end, of those that a list names. */
  type?: string;
  validate?(this: EditorNode, value: unknown, options: object): Verdict;
}

/** What a node type was registered with. */
interface TypeDefinition {
  category: string;
  defaults: Record<string, PropertyDefinition>;
  credentials?: Record<string, PropertyDefinition>;
  set?: { module: string };
  _(key: string, values?: Values): string;
}

/** A node of the editor, with its settings as they were saved. */
export interface EditorNode {
  readonly id: string;
  readonly type: string;
  name?: string;
  z?: string;
  /** Whether it differs from what is deployed. */
  changed?: boolean;
  valid?: boolean;
  /** Of a configuration node: those that use it. */
  users?: EditorNode[];
  /** Of a link node: ids of the nodes it is linked with. */
  links?: string[];
  credentials?: Record<string, string | boolean | undefined>;
  _def: TypeDefinition;
  _(key: string, values?: Values): string;
  [setting: string]: unknown;
}
