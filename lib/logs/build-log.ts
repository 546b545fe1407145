import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { logWriteFailed } from '../errors/logs.ts';
import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import type { Host } from '../ssh/types.ts';
import { writeFileAtomic } from '../util/atomic-file.ts';
import { formatSize } from '../util/format.ts';
import { ConsoleWriter } from './console.ts';
import { fetchFiles } from './fetch/fetch.ts';
import { Files } from './fetch/files.ts';
import { BUILD_FILE, buildPlace, CONSOLE_FILE, CONSOLE_PAGE, INDEX_PAGE } from './layout.ts';
import { buildPage } from './pages/build-page.ts';
import { consolePage } from './pages/console-page.ts';
import type { BuildPage, Fetched, FetchRow, FileEntry, LogSettings } from './types.ts';

/** Milliseconds between two updates of a running build's pages. */
const PAGE_INTERVAL_MS = 1000;
/** Milliseconds before the first one, so that a burst of updates causes one write. */
const MIN_DELAY_MS = 50;
/** The console's page is written again only after this many times as long as its last writing took. */
const CONSOLE_PAUSE_FACTOR = 20;

/** A build's log folder, which can be browsed from the build's start. */
export class BuildLog {
  readonly dir: string;
  /** URL with a trailing slash; empty if nobody serves the logs. */
  readonly url: string;
  readonly console: ConsoleWriter;
  readonly #settings: LogSettings;
  readonly #files: Files;
  #page: BuildPage;
  #timer: NodeJS.Timeout | undefined;
  /** All writing of pages, in sequence. */
  #writing: Promise<void> = Promise.resolve();
  #consoleDue = 0;
  #written = 0;
  #finished = false;

  /** Use `openBuildLog`. */
  constructor(settings: LogSettings, place: { dir: string; url: string }, console: ConsoleWriter, page: BuildPage) {
    this.#settings = settings;
    this.dir = place.dir;
    this.url = place.url;
    this.console = console;
    this.#page = page;
    this.#files = new Files(place.dir);
  }

  /** Shows a build's state on its page within a second. Cheap, however often it is called. */
  update(page: BuildPage): void {
    this.#page = page;
    if (this.#finished || this.#timer !== undefined) return;
    const pause = Math.max(MIN_DELAY_MS, this.#written + PAGE_INTERVAL_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A page that cannot be written now is written at the end, which reports the error.
      this.#write(false).catch(() => undefined);
    }, pause).unref();
  }

  /** Writes the first pages. @throws CiError */
  async begin(): Promise<void> {
    await this.#write(false);
  }

  /**
   * Fetches files from a guest into the folder.
   *
   * @throws CiError if the guest is lost or silent (POST_FAILURE) or the disk here is full (DISK_FULL); the signal's
   * reason when aborted
   */
  async fetch(
    host: Pick<Host, 'sftp' | 'start'>,
    rows: readonly FetchRow[],
    guest: string,
    { signal }: { signal: AbortSignal },
  ): Promise<Fetched> {
    const fetched = await fetchFiles(host, rows, this.#files, { guest, signal, ...this.#settings.limits });
    const count = `${fetched.files} ${fetched.files === 1 ? 'file' : 'files'}, ${formatSize(fetched.bytes)}`;
    this.console.line(`logs: ${count} fetched from ${guest}.${fetched.cut === undefined ? '' : ` ${fetched.cut}`}`);
    this.update(this.#page);
    return fetched;
  }

  /** Adds a file under a name that may include folders; never replaces one. @throws CiError if it cannot be written */
  async addFile(name: string, stream: Readable): Promise<void> {
    await this.#files.add(name, stream);
    if (this.#finished) await this.#write(true);
    else this.update(this.#page);
  }

  /** Closes the console and writes the final pages. @throws CiError the first fault, after everything else is done */
  async finish(page: BuildPage): Promise<void> {
    this.#page = page;
    this.#finished = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const closed = await this.console.close().then(
      () => undefined,
      (error: unknown) => error,
    );
    await this.#write(true);
    if (closed !== undefined) throw closed;
  }

  #write(last: boolean): Promise<void> {
    const writing = this.#writing.then(() => this.#pages(last));
    this.#writing = writing.catch(() => undefined);
    return writing;
  }

  async #pages(last: boolean): Promise<void> {
    // An update was on its way when the build ended.
    if (this.#finished && !last) return;
    const page = this.#page;
    const { build, change } = page;
    let fault: unknown;
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      await work().catch((error: unknown) => {
        fault ??= error;
      });
    };
    if (last || Date.now() >= this.#consoleDue) await attempt(() => this.#writeConsole(page, last));
    const files: FileEntry[] = [{ path: CONSOLE_FILE, size: this.console.bytes }, ...this.#files.entries];
    const size = files.reduce((sum, file) => sum + file.size, 0);
    await attempt(() => writePage(join(this.dir, INDEX_PAGE), [buildPage(page, files, Date.now())]));
    const ended = page.endedAt === undefined ? {} : { endedAt: page.endedAt, result: build.result ?? 'SUCCESS' };
    const record = {
      build,
      change,
      reason: page.reason,
      startedAt: build.startedAt,
      ...ended,
      url: this.url,
      size,
      files: files.length,
    };
    await attempt(() => writePage(join(this.dir, BUILD_FILE), [`${JSON.stringify(record, undefined, 2)}\n`]));
    this.#written = Date.now();
    if (fault !== undefined) throw fault;
  }

  async #writeConsole({ build, change }: BuildPage, last: boolean): Promise<void> {
    const begun = Date.now();
    await this.console.flushed();
    const title = `${build.job} of ${change.number === undefined ? change.project : `${change.number},${change.patchset ?? ''}`}`;
    await writePage(join(this.dir, CONSOLE_PAGE), consolePage(join(this.dir, CONSOLE_FILE), { title, running: !last }));
    const now = Date.now();
    this.#consoleDue = now + (now - begun) * CONSOLE_PAUSE_FACTOR;
  }
}

/** Creates a build's folder with its first page, already at its final URL. @throws CiError */
export async function openBuildLog(settings: LogSettings, change: ChangeInfo, build: BuildView): Promise<BuildLog> {
  const place = buildPlace(settings, change, build);
  try {
    await mkdir(place.dir, { recursive: true });
  } catch (error) {
    throw logWriteFailed(place.dir, error);
  }
  const limit = settings.consoleLimit === undefined ? {} : { limit: settings.consoleLimit };
  const console = await ConsoleWriter.open(join(place.dir, CONSOLE_FILE), limit);
  const log = new BuildLog(settings, place, console, { build, change, reason: '' });
  try {
    await log.begin();
  } catch (error) {
    await console.close().catch(() => undefined);
    throw error;
  }
  return log;
}

/** Replaces a page, which is not flushed because it is written again. @throws CiError */
async function writePage(file: string, content: Iterable<string> | AsyncIterable<string>): Promise<void> {
  try {
    await writeFileAtomic(file, content, { mode: 0o644, flush: false });
  } catch (error) {
    throw logWriteFailed(file, error);
  }
}
