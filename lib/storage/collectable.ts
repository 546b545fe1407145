/** An image on a worker, or an unfinished one. */
export interface StoredImage {
  kind: 'image' | 'draft';
  /** `name@key`. */
  id: string;
  /** The image that it was cloned from. */
  of?: string;
}

/**
 * Returns the images and drafts that may be removed: those that are neither kept nor an ancestor of one that is. Children
 * come before their parents.
 *
 * @param keep IDs of images that are set, and of those that clones are made of
 */
export function collectable(stored: readonly StoredImage[], keep: Iterable<string>): StoredImage[] {
  const parents = new Map(stored.map(({ id, of }) => [id, of]));
  const kept = new Set<string>();
  for (const id of keep) {
    for (let at: string | undefined = id; at !== undefined && !kept.has(at); at = parents.get(at)) kept.add(at);
  }
  const depth = (id: string | undefined, seen: string[] = []): number =>
    id === undefined || seen.includes(id) ? 0 : 1 + depth(parents.get(id), [...seen, id]);
  return stored.filter(({ id }) => !kept.has(id)).sort((a, b) => depth(b.id) - depth(a.id));
}
