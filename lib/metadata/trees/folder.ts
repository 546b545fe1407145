/** A text file of the tree. */
export interface Leaf {
  body: string;
  /** Whether it is served as JSON. */
  json?: true;
}

/** A folder of the tree. */
export interface Folder {
  entries: ReadonlyMap<string, Leaf | Folder>;
  /** What a listing shows; if missing, the names of the entries, folders with a trailing slash. */
  listing?: readonly string[];
}

/** Creates a folder. */
export const folder = (entries: Iterable<[string, Leaf | Folder]>, listing?: readonly string[]): Folder => ({
  entries: new Map(entries),
  ...(listing ? { listing } : {}),
});
