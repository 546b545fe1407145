import { join } from 'node:path';
import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import { safeName } from './file-name.ts';

/** A build's page as data for programs; it marks a folder as the one of a build. */
export const BUILD_FILE = 'build.json';
/** Output of all scripts of a build, with a time on each line. */
export const CONSOLE_FILE = 'console.log';
/** The console as a page, with colours. */
export const CONSOLE_PAGE = 'console.html';
/** A build's page. */
export const INDEX_PAGE = 'index.html';

/** The pages in a build's folder. */
export const PAGE_FILES: readonly string[] = [INDEX_PAGE, CONSOLE_PAGE];
/** Names in a build's folder that no file from a guest may take. */
export const OWN_FILES: readonly string[] = [...PAGE_FILES, CONSOLE_FILE, BUILD_FILE];

/** Returns the path of a build's folder below the root, as safe names; the build's id is the last. */
export function buildSegments(change: ChangeInfo, build: BuildView): string[] {
  const subject =
    change.number === undefined
      ? [
          'ref',
          (change.ref ?? change.branch ?? 'unknown').replaceAll('/', '-'),
          (change.revision ?? 'unknown').slice(0, 12),
        ]
      : [String(change.number), String(change.patchset ?? 0)];
  return [...subject, build.pipeline, build.job, build.id].map(safeName);
}

/** Returns a build's folder and its URL, which is empty if the root has none. */
export function buildPlace(
  settings: { root: string; url: string },
  change: ChangeInfo,
  build: BuildView,
): { dir: string; url: string } {
  const segments = buildSegments(change, build);
  return {
    dir: join(settings.root, ...segments),
    url:
      settings.url === '' ? '' : `${settings.url.replace(/\/+$/, '')}/${segments.map(encodeURIComponent).join('/')}/`,
  };
}
