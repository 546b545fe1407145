/** Markup that is safe to send: text in it was escaped when it was made. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type Part = Html | string | number | false | undefined | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const markupOf = (part: Part): string => {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'object') return part.map(markupOf).join('');
  return String(part).replace(/[&<>"']/g, (c) => ENTITIES[c]!);
};

/** Markup from a template: each value in it is escaped, but for markup made the same way. Nothing for `false`. */
export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(strings.map((text, i) => text + (i < parts.length ? markupOf(parts[i]) : '')).join(''));

/** Text whose http(s) links can be followed. */
export function linked(text: string): Html {
  const parts = text.split(/(https?:\/\/[^\s<>"']+)/);
  return html`${parts.map((part, i) => (i % 2 === 1 ? html`<a href="${part}" rel="noopener noreferrer">${part}</a>` : part))}`;
}
