import { formatSize } from '../../util/format.ts';
import { type Html, html } from '../../util/html.ts';
import type { FileEntry } from '../types.ts';

interface TreeFolder {
  folders: Map<string, TreeFolder>;
  files: { name: string; size: number }[];
  bytes: number;
  count: number;
}

/** Files shown on one page; a build may have thousands. */
const MAX_FILE_COUNT = 2000;
/** Files of a folder up to which it is shown unfolded. */
const MAX_OPEN_FOLDER_FILE_COUNT = 30;

const folder = (): TreeFolder => ({ folders: new Map(), files: [], bytes: 0, count: 0 });

function treeOf(files: readonly FileEntry[]): TreeFolder {
  const top = folder();
  for (const { path, size } of files) {
    const parts = path.split('/');
    const name = parts.pop()!;
    let at = top;
    at.bytes += size;
    at.count++;
    for (const part of parts) {
      let below = at.folders.get(part);
      if (below === undefined) {
        below = folder();
        at.folders.set(part, below);
      }
      at = below;
      at.bytes += size;
      at.count++;
    }
    at.files.push({ name, size });
  }
  return top;
}

const order = new Intl.Collator('en', { numeric: true });
const url = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

function show(at: TreeFolder, path: string): Html {
  const folders = [...at.folders].sort(([a], [b]) => order.compare(a, b));
  const files = [...at.files].sort((a, b) => order.compare(a.name, b.name));
  return html`<ul>
${folders.map(
  ([
    name,
    below,
  ]) => html`<li><details${below.count <= MAX_OPEN_FOLDER_FILE_COUNT && html` open`}><summary><a href="./${url(path + name)}/">${name}/</a> <small>${below.count} ${below.count === 1 ? 'file' : 'files'}, ${formatSize(below.bytes)}</small></summary>
${show(below, `${path}${name}/`)}</details></li>
`,
)}${files.map(({ name, size }) => html`<li><a href="./${url(path + name)}">${name}</a> <small>${formatSize(size)}</small></li>\n`)}</ul>
`;
}

/** Returns the files of a build as a tree with sizes; only the first ones if there are very many. */
export function fileTree(files: readonly FileEntry[]): Html {
  const more = files.length - MAX_FILE_COUNT;
  return html`<div class="tree">${show(treeOf(files.slice(0, MAX_FILE_COUNT)), '')}${more > 0 && html`<p>${more} more files are listed in their folders.</p>`}</div>`;
}
