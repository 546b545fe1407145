/** A file of the tree: its text. JSON is served as such. */
export interface Leaf {
  body: string;
  json?: true;
}

/** A folder of the tree. */
export interface Folder {
  entries: ReadonlyMap<string, Leaf | Folder>;
  /** What a listing shows, where it is not the entries' names (folders with a slash behind). */
  listing?: readonly string[];
}

/** Makes a folder. */
export const folder = (entries: Iterable<[string, Leaf | Folder]>, listing?: readonly string[]): Folder => ({
  entries: new Map(entries),
  ...(listing ? { listing } : {}),
});
