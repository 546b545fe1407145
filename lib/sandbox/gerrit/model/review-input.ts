import { isRecord } from '../../../util/is-record.ts';
import { inputUnreadable } from './refusal.ts';
import type { ReviewInput } from './types.ts';

const NOTIFY = new Set(['NONE', 'OWNER', 'OWNER_REVIEWERS', 'ALL']);
const GSON = 'See https://github.com/google/gson/blob/main/Troubleshooting.md#unexpected-json-structure';

const unexpected = (expected: string, got: unknown, path: string) =>
  inputUnreadable(
    `java.lang.IllegalStateException: Expected ${expected} but was ${Array.isArray(got) ? 'BEGIN_ARRAY' : typeof got === 'object' ? 'BEGIN_OBJECT' : (typeof got).toUpperCase()} at line 1 path ${path}\n${GSON}`,
  );

/**
 * Parses the ReviewInput that `gerrit review --json` reads from stdin. As in Gerrit, unknown fields are ignored, no
 * input (or `null`) is an empty review, and a label's value may be a string.
 *
 * @throws Refusal with the message of Gerrit's JSON reader
 */
export function readReviewInput(text: string): ReviewInput {
  if (text.trim() === '') return {};
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw inputUnreadable(`com.google.gson.stream.MalformedJsonException: ${(error as Error).message}`);
  }
  if (json === null) return {};
  if (!isRecord(json)) throw unexpected('BEGIN_OBJECT', json, '$');
  const notify = json['notify'];
  if (notify !== undefined && notify !== null && !NOTIFY.has(String(notify))) {
    throw inputUnreadable(
      'Expected an existing value for enum com.google.gerrit.extensions.api.changes.NotifyHandling.',
    );
  }
  const message = textOf(json['message'], '$.message');
  const tag = textOf(json['tag'], '$.tag');
  const labels = labelsOf(json['labels']);
  const comments = commentsOf(json['comments']);
  return { ...(message && { message }), ...(tag && { tag }), ...(labels && { labels }), ...(comments && { comments }) };
}

function textOf(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object') throw unexpected('a string', value, path);
  return String(value);
}

function labelsOf(value: unknown): Record<string, number> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw unexpected('BEGIN_OBJECT', value, '$.labels');
  return Object.fromEntries(
    Object.entries(value).map(([label, given]) => {
      if (!/^[+-]?\d+$/.test(String(given))) {
        throw inputUnreadable(`java.lang.NumberFormatException: For input string: "${String(given)}"`);
      }
      return [label, Number(given)];
    }),
  );
}

function commentsOf(value: unknown): ReviewInput['comments'] {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw unexpected('BEGIN_OBJECT', value, '$.comments');
  return Object.fromEntries(
    Object.entries(value).map(([file, list]) => {
      const path = `$.comments.${file}`;
      if (!Array.isArray(list)) throw unexpected('BEGIN_ARRAY', list, path);
      return [file, list.map((one) => commentOf(one, path))];
    }),
  );
}

function commentOf(value: unknown, path: string): { line?: number; message?: string } {
  if (!isRecord(value)) throw unexpected('BEGIN_OBJECT', value, `${path}[]`);
  const range = value['range'];
  const line = Number(value['line'] ?? (isRecord(range) ? range['end_line'] : undefined) ?? 0);
  const message = textOf(value['message'], `${path}[].message`);
  return { ...(Number.isInteger(line) && { line }), ...(message && { message }) };
}
