import type { Repository } from '../model/git.ts';
import type { Patchset } from '../model/types.ts';

/** Characters of a patchset's diff that the page shows. */
const MAX_PATCH_CHARS = 64 * 1024;

/** The diffs of one repository's patchsets, kept once read: they never change, and an open page asks often. */
export class PatchTexts {
  readonly #repository: Repository;
  readonly #byRevision = new Map<string, string>();

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** Returns the diff that a patchset makes, cut to what the page shows. */
  async of({ parent, revision }: Patchset): Promise<string> {
    const known = this.#byRevision.get(revision);
    if (known !== undefined) return known;
    const whole = await this.#repository.patch(parent, revision);
    const cut = `${whole.slice(0, MAX_PATCH_CHARS)}\n(the rest is not shown here)`;
    const text = whole.length > MAX_PATCH_CHARS ? cut : whole.trimEnd();
    this.#byRevision.set(revision, text);
    return text;
  }
}
