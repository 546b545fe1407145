/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Headless Chromium, with pages of either theme. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

export type Theme = 'light' | 'dark';

/** Where pictures go: git-ignored, for people to look at. */
export const SCREENSHOTS = join(import.meta.dirname, '..', '..', 'test-results', 'screenshots');

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function openBrowser(t: Pick<TestContext, 'after'>): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ARGUMENTS,
  });
  t.after(() => browser.close());
  return browser;
}

/** Pages of one theme; `faults` collects what their consoles say is wrong, and requests that leave the machine. */
export async function openContext(
  browser: Browser,
  url: string,
  theme: Theme,
  width = 1900,
): Promise<{ context: BrowserContext; faults: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    // Where the editor keeps the theme that a person chose.
    storageState: {
      cookies: [],
      origins: [{ origin: url, localStorage: [{ name: 'view-dark-theme', value: theme }] }],
    },
  });
  await context.addInitScript(() => {
    window.scrolls = (selector) => {
      let width = 0;
      let height = 0;
      for (let at = document.querySelector(selector); at; at = at.parentElement) {
        width = Math.max(width, at.scrollWidth - at.clientWidth);
        height = Math.max(height, at.scrollHeight - at.clientHeight);
      }
      return { width, height };
    };
  });
  const faults: string[] = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => faults.push(`thrown: ${error.error().stack}`));
  context.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) faults.push(`asked ${request.url()}`);
  });
  return { context, faults };
}
