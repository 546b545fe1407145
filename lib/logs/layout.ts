import { join } from 'node:path';
import type { BuildView } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import { safeName } from './file-name.ts';

/** The machine's half of a build's page; a folder that holds one is a build's, and ours. */
export const BUILD_FILE = 'build.json';
export const CONSOLE_FILE = 'console.log';
export const CONSOLE_PAGE = 'console.html';
export const INDEX_PAGE = 'index.html';

/** The pages that we write into a build's folder. */
export const PAGE_FILES: readonly string[] = [INDEX_PAGE, CONSOLE_PAGE];
/** Names of a build's folder that nothing from a guest may take. */
export const OWN_FILES: readonly string[] = [...PAGE_FILES, CONSOLE_FILE, BUILD_FILE];

/** Where a build's folder stands below the root: safe names, the build's id last. */
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

/** A build's folder and its URL, which is empty where none of the root is known. */
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
