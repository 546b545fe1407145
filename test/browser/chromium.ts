/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Starts headless Chromium and opens pages in either theme. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

export type Theme = 'light' | 'dark';

/** The git-ignored folder of the screenshots, which are for people to look at. */
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

/** Starts Chromium (`$CHROMIUM`, or the system's), which is closed after the test. */
export async function openBrowser(t: Pick<TestContext, 'after'>): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ARGUMENTS,
  });
  t.after(() => browser.close());
  return browser;
}

/** Opens a context for pages in one theme. `faults` collects their console errors, and requests to other machines. */
export async function openContext(
  browser: Browser,
  url: string,
  theme: Theme,
  width = 1900,
): Promise<{ context: BrowserContext; faults: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    // The editor stores the selected theme here.
    storageState: {
      cookies: [],
      origins: [{ origin: url, localStorage: [{ name: 'view-dark-theme', value: theme }] }],
    },
  });
  await context.addInitScript(() => {
    window.hiddenSize = (selector) => {
      let width = 0;
      let height = 0;
      for (let element = document.querySelector(selector); element; element = element.parentElement) {
        width = Math.max(width, element.scrollWidth - element.clientWidth);
        height = Math.max(height, element.scrollHeight - element.clientHeight);
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
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url()))
      faults.push(`requested ${request.url()}`);
  });
  return { context, faults };
}
