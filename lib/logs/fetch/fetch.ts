import type { FileEntryWithStats } from 'ssh2';
import { fetchSilent } from '../../errors/logs.ts';
import type { Host } from '../../ssh/types.ts';
import { formatSize } from '../../util/format.ts';
import type { Fetched, FetchLimits, FetchRow } from '../types.ts';
import { Copier } from './copier.ts';
import type { Files } from './files.ts';
import { type GlobPath, splitGlob } from './glob.ts';
import { GuestTar } from './guest-tar.ts';
import { SftpSession } from './sftp-session.ts';

/** Limits if the settings name no others. */
export const DEFAULT_FETCH_LIMITS: FetchLimits = { files: 20_000, bytes: 4 * 2 ** 30, depth: 24, silence: 60 };

/** Folder entries read per file that may be fetched: a guest may have millions of links. */
const MAX_ENTRY_COUNT_PER_FILE = 4;

/** The fetching of one guest's files. */
class GuestFetch {
  readonly #session: SftpSession;
  readonly #files: Files;
  readonly #limits: FetchLimits;
  readonly #copier: Copier;
  readonly #tar: GuestTar | undefined;
  readonly #copies: Promise<void>[] = [];
  readonly #missing: string[] = [];
  #cut: string | undefined;
  #seen = 0;
  #count = 0;
  #asked = 0;
  #copied = 0;
  #bytes = 0;

  constructor(session: SftpSession, tar: GuestTar | undefined, files: Files, limits: FetchLimits) {
    this.#session = session;
    this.#tar = tar;
    this.#files = files;
    this.#limits = limits;
    this.#copier = new Copier(session, files);
  }

  async run(rows: readonly FetchRow[], guest: string): Promise<Fetched> {
    try {
      for (const row of rows) {
        if (row.remote.trim() !== '') await this.#row(row.remote.trim(), this.#files.folderFor(row.dir, guest));
      }
      this.#tar?.complete();
      await Promise.all(this.#copies);
    } catch (error) {
      // The first fault ends everything; nothing is left running.
      this.#session.stop(error);
      this.#tar?.close();
      await Promise.allSettled(this.#copies);
      throw error;
    }
    const done = { files: this.#copied, bytes: this.#bytes, missing: this.#missing };
    return this.#cut === undefined ? done : { ...done, cut: this.#cut };
  }

  async #row(asked: string, into: string[]): Promise<void> {
    const remote = asked.replace(/^~\/+/, '').replace(/(?<=.)\/+$/, '') || '.';
    const glob = splitGlob(remote);
    if (glob !== undefined) return this.#matches(asked, glob, into);
    // The operator named this path, so a link is followed.
    const real = await this.#session.realpath(remote);
    const stats = real === undefined ? undefined : await this.#session.stat(real);
    if (real === undefined || stats === undefined) this.#missing.push(asked);
    else if (stats.isDirectory()) await this.#folder(real, into, { base: real, depth: 0 });
    else if (stats.isFile()) this.#copy(real, [...into, nameOf(remote)], stats.size);
    else this.#missing.push(asked);
  }

  async #matches(asked: string, { folder, matches }: GlobPath, into: string[]): Promise<void> {
    const base = await this.#session.realpath(folder);
    let found = false;
    const listed =
      base !== undefined &&
      (await this.#each(base, async (entry) => {
        if (!matches(entry.filename)) return;
        found = true;
        await this.#entry(entry, base, into, { base, depth: 0 });
      }));
    if (!listed || !found) this.#missing.push(asked);
  }

  async #folder(path: string, into: string[], at: { base: string; depth: number }): Promise<void> {
    if (at.depth > this.#limits.depth) {
      this.#cut ??= `Folders nested deeper than ${this.#limits.depth} were skipped, beginning with ${path}.`;
      return;
    }
    const listed = await this.#each(path, async (entry) => {
      await this.#entry(entry, path, into, at);
    });
    if (!listed) this.#missing.push(path);
  }

  /** Calls `take` for each entry of a folder. @returns false if it cannot be listed */
  async #each(path: string, take: (entry: FileEntryWithStats) => Promise<void>): Promise<boolean> {
    const handle = await this.#session.openFolder(path);
    if (handle === undefined) return false;
    const folders: FileEntryWithStats[] = [];
    try {
      for (
        let names = await this.#session.list(handle, path);
        names !== undefined;
        names = await this.#session.list(handle, path)
      ) {
        if (names.length === 0) break;
        for (const entry of names) {
          // A name with a slash is the guest's attempt to reach another folder.
          if (/^\.{0,2}$|[/\0]/.test(entry.filename)) continue;
          if (!this.#room()) return true;
          if (entry.attrs.isDirectory()) folders.push(entry);
          else await take(entry);
        }
      }
    } finally {
      this.#session.close(handle);
    }
    // After the handle is closed: a deep tree takes one open handle, not one per level.
    for (const entry of folders) await take(entry);
    return true;
  }

  async #entry(
    entry: FileEntryWithStats,
    folder: string,
    into: string[],
    at: { base: string; depth: number },
  ): Promise<void> {
    const path = `${folder === '/' ? '' : folder}/${entry.filename}`;
    const place = [...into, entry.filename];
    if (entry.attrs.isDirectory()) return this.#folder(path, place, { ...at, depth: at.depth + 1 });
    if (entry.attrs.isFile()) return this.#copy(path, place, entry.attrs.size);
    if (!entry.attrs.isSymbolicLink()) return;
    // A link to a file within the folder (the newest log) is fetched as that file; one that leads out is skipped.
    const real = await this.#session.realpath(path);
    if (real === undefined || !real.startsWith(at.base === '/' ? '/' : `${at.base}/`)) return;
    const stats = await this.#session.stat(real);
    if (stats?.isFile()) this.#copy(real, place, stats.size);
  }

  #room(): boolean {
    this.#seen++;
    if (this.#count < this.#limits.files && this.#seen < this.#limits.files * MAX_ENTRY_COUNT_PER_FILE) return true;
    this.#cut ??= `Only the first ${this.#limits.files} files were fetched.`;
    return false;
  }

  #copy(path: string, place: string[], size: number): void {
    if (!Number.isSafeInteger(size) || this.#asked + size > this.#limits.bytes) {
      this.#cut ??= `At most ${formatSize(this.#limits.bytes)} are fetched from one guest: ${path} was skipped.`;
      return;
    }
    if (this.#count >= this.#limits.files) {
      this.#room();
      return;
    }
    this.#asked += size;
    this.#count++;
    const copy = this.#bring(path, place, size);
    copy.catch((error: unknown) => this.#session.stop(error));
    this.#copies.push(copy);
  }

  /** Fetches a file through the guest's tar, or else through SFTP. */
  async #bring(path: string, place: string[], size: number): Promise<void> {
    const bytes = (await this.#tar?.take(path, place, size)) ?? (await this.#copier.copy(path, place, size));
    if (bytes === undefined) {
      this.#missing.push(path);
      return;
    }
    this.#copied++;
    this.#bytes += bytes;
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

async function openSftp(host: Pick<Host, 'sftp'>, guest: string, silence: number, signal: AbortSignal) {
  const late = AbortSignal.timeout(silence * 1000);
  try {
    return await host.sftp(AbortSignal.any([signal, late]));
  } catch (error) {
    if (late.aborted && !signal.aborted) throw fetchSilent(guest, 'nothing', silence);
    throw error;
  }
}

/**
 * Fetches files and folders from a guest: lists them over SFTP and has the guest's tar send them in one stream. Files
 * that do not arrive that way are fetched over SFTP, many at a time.
 *
 * @returns what was fetched and what is missing
 * @throws CiError if the guest is lost or silent, or if nothing can be written here; the signal's reason when aborted
 */
export async function fetchFiles(
  host: Pick<Host, 'sftp' | 'start'>,
  rows: readonly FetchRow[],
  files: Files,
  { guest, signal, ...limits }: { guest: string; signal: AbortSignal } & Partial<FetchLimits>,
): Promise<Fetched> {
  const bounds = { ...DEFAULT_FETCH_LIMITS, ...limits };
  const sftp = await openSftp(host, guest, bounds.silence, signal);
  const session = new SftpSession(sftp, { guest, signal, silence: bounds.silence });
  let tar: GuestTar | undefined;
  try {
    const onSilent = (error: Error) => session.stop(error);
    tar = await GuestTar.start(host, files, { guest, signal, silence: bounds.silence, onSilent });
    return await new GuestFetch(session, tar, files, bounds).run(rows, guest);
  } finally {
    tar?.close();
    session.release();
    sftp.end();
  }
}
