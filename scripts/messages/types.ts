/** One property of `msg`, as docs/messages.md lists it. */
export interface Property {
  /** Path below `msg`, such as `payload.exitCode`; `<name>` stands for a key that varies. */
  name: string;
  type: string;
  /** What it holds: a sentence without its full stop. */
  text: string;
  /** Whether messages without it are normal. */
  optional?: true;
}

/** What a node sends on one of its outputs. */
export interface Output {
  title: string;
  properties: Property[];
}

/** The messages of one node type. */
export interface NodeMessages {
  type: string;
  summary: string;
  inputs: Property[];
  outputs: Output[];
}
