/** The part of Node-RED's editor API that the forms use, including what its own types omit or declare too loosely. */
import type { EditorRED } from 'node-red';
import type { EditorNode } from '../editor-node.ts';

/** Node-RED's code editor. Monaco also gets Ace's interface; the functions below are Node-RED's or Monaco's own. */
type CodeEditor = AceAjax.Editor & {
  updateOptions?(options: { minimap: { enabled: boolean } }): void;
  saveView?(): void;
  restoreView?(): void;
};

interface EditorNodes {
  node(id: unknown): EditorNode | null;
  eachNode(take: (node: EditorNode) => void): void;
  eachConfig(take: (node: EditorNode) => void): void;
  filterLinks(filter: { target: EditorNode }): { source: EditorNode }[];
  /** Generates an id. */
  id(): string;
}

interface EditorForms {
  editConfig(name: string, type: string, id: string, prefix: string, user: EditorNode): void;
  createEditor(options: { element: HTMLElement; mode: string; stateId: string; value: string }): CodeEditor;
  editText(options: {
    mode: string;
    stateId: string;
    value: string;
    width: string;
    focus: boolean;
    complete(value: string): void;
  }): void;
  generateViewStateId(kind: string, node: EditorNode, property: string): string;
}

interface Red extends Pick<EditorRED, 'notify' | 'popover' | 'events'> {
  _(key: string, values?: Record<string, unknown>): string;
  nodes: EditorNodes;
  editor: EditorForms;
  utils: { getNodeLabel(node: EditorNode, fallback?: string): string };
  clipboard: { copyText(value: string, element: JQuery, messageKey: string): boolean };
}

declare global {
  const RED: Red;

  interface Window {
    /** The bundle's part of each node type's definition, for its editor.html. */
    Recheck: Record<string, object>;
  }

  interface JQuery {
    /** Fills the elements that have `data-i18n` with their texts. */
    i18n(): this;
  }
}
