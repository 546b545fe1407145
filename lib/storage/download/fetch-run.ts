import { runScript } from '../../ssh/script.ts';
import type { Host } from '../../ssh/types.ts';
import type { FileFacts } from './disk-head.ts';

/** Milliseconds that one program may take; a stalled download ends long before. */
const TIMEOUT_MS = 6 * 3600_000;

/** Characters that are kept of what the worker's commands print. */
const MAX_SAID_CHARS = 2000;

/** What aborts a download, and a callback for its progress: `62 %`. */
export interface FetchOptions {
  signal: AbortSignal;
  onProgress?: ((text: string) => void) | undefined;
}

/** What a program has reported so far. */
export interface FetchReport {
  /** Bytes that were downloaded, and of the whole file; 0 if unknown. */
  have: number;
  total: number;
  /** The server's last answer. */
  code: number;
  /** The worker's `uname -m`. */
  machine: string;
  /** The checksum of the file, if it differs from the one that is set. */
  sum: string;
  /** The first 512 bytes of the file, as hexadecimal digits. */
  head: string;
  file: FileFacts;
  /** Whether the file is known to be complete. */
  isIntact: boolean;
  /** Exit code of `qemu-img check`. */
  check: number;
  /** Whether the file ends before the last of its data. */
  isCut: boolean;
  /** What commands printed. */
  said: string;
}

/** Runs one of the programs that fetch and check an image's files, and parses its lines. */
export async function runFetch(
  host: Host,
  text: string,
  env: Record<string, string>,
  { signal, onProgress }: FetchOptions,
): Promise<{ code: number; report: FetchReport }> {
  const report: FetchReport = {
    have: 0,
    total: 0,
    code: 0,
    machine: '',
    sum: '',
    head: '',
    file: { size: 0, tail: '', iso: '' },
    isIntact: false,
    check: 0,
    isCut: false,
    said: '',
  };
  let rest = '';
  const script = { text, interpreter: '/bin/sh', env, timeout: TIMEOUT_MS };
  const result = await runScript(host, script, {
    signal,
    onOutput(chunk) {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop()!.slice(-MAX_SAID_CHARS);
      for (const line of lines) readLine(line, report, onProgress);
    },
  });
  readLine(rest, report, onProgress);
  return { code: result.code ?? -1, report };
}

function readLine(line: string, report: FetchReport, onProgress: FetchOptions['onProgress']): void {
  const [word, value = '', other] = line.split(' ');
  switch (word) {
    case '@at':
      report.have = Number(value) || 0;
      report.total = Number(other) || 0;
      onProgress?.(report.total > 0 ? percent(report) : `${megabytes(report.have)} MB`);
      break;
    case '@try':
      report.said = '';
      break;
    case '@code':
      report.code = Number(value) || 0;
      break;
    case '@machine':
      report.machine = value;
      break;
    case '@checking':
      onProgress?.('checking');
      break;
    case '@unpacked':
      onProgress?.(`unpacking, ${value} MiB`);
      break;
    case '@sum':
      report.sum = value;
      break;
    case '@intact':
      report.isIntact = true;
      break;
    case '@size':
      report.file.size = Number(value) || 0;
      break;
    case '@head':
      report.head = value;
      break;
    case '@tail':
      report.file.tail = value;
      break;
    case '@iso':
      report.file.iso = value;
      break;
    case '@check':
      report.check = Number(value) || 0;
      break;
    case '@cut':
      report.isCut = true;
      break;
    default:
      report.said = `${report.said}${line}\n`.slice(-MAX_SAID_CHARS);
  }
}

const percent = ({ have, total }: FetchReport): string => `${Math.min(100, Math.floor((have * 100) / total))} %`;

/** Returns the bytes as whole megabytes (10^6 bytes). */
export const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

/** Returns the last line that commands printed, without curl's prefix "curl: (18) ". */
export const lastSaid = ({ said }: FetchReport): string =>
  said
    .trim()
    .split('\n')
    .at(-1)!
    .replace(/^curl: \(\d+\) /, '');

/** Returns the first line that a command printed, at most 200 characters, without a prefix such as "xz: (stdin): ". */
export const firstSaid = ({ said }: FetchReport): string =>
  said
    .trim()
    .split('\n', 1)[0]!
    .replace(/^((xz|gzip|zstd|bzip2): *)?((\(stdin\)|stdin|\/\*stdin\*\\ *): *)?/, '')
    .replace(/[;.]$/, '')
    .slice(0, 200) || 'no reason given';
