/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Drives Node-RED's editor in headless Chromium, as a user would. */
import type { BrowserContext, Page } from 'playwright-core';

/** The part of the editor's node objects that tests use. */
interface EditorNode {
  id: string;
  type: string;
  name: string;
  /** The kind of a gerrit-server: ssh or sandbox. */
  kind?: string;
  x: number;
  y: number;
  w: number;
  h: number;
  z: string;
  _def: { category: string; align?: string; button?: object; set?: { module: string } };
}
/** A node on the canvas, with the label shown there. */
type CanvasNode = Pick<EditorNode, 'id' | 'type'> & { label: string };

interface EditorApi {
  nodes: {
    node(id: string): EditorNode | null;
    workspace(id: string): { label: string };
    getWorkspaceOrder(): string[];
    filterNodes(filter: { z?: string }): EditorNode[];
    filterLinks(filter: object): { source: EditorNode; target: EditorNode }[];
    eachConfig(take: (node: EditorNode) => void): void;
    groups(z: string): { name: string; x: number; y: number; w: number; h: number }[];
  };
  workspaces: { active(): string; show(id: string): void };
  editor: { edit(node: object): void; editConfig(name: string, type: string, id: string): void };
  utils: { getNodeLabel(node: object): string };
}
declare global {
  interface Window {
    RED: EditorApi;
    /** Statuses seen so far, as `watchStatuses` collects them. */
    seen: Set<string>;
    /** The number of polls in which nothing moved, and the positions at the last one: see `settled`. */
    still: number;
    boxes: string;
    /** Returns how many pixels of an element are hidden until it is scrolled. */
    hiddenSize(selector: string): { width: number; height: number };
  }
}

export class Editor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens the editor in a new page and waits until it has loaded. */
  static async open(context: BrowserContext, url: string): Promise<Editor> {
    const page = await context.newPage();
    await page.goto(`${url}/`);
    await page.waitForFunction(
      () =>
        window.RED?.workspaces?.active() &&
        document.querySelector('#red-ui-palette-container-gerrit_ci .red-ui-palette-node'),
    );
    await settled(page);
    return new Editor(page);
  }

  /** Returns the ids and labels of the tabs. */
  tabs(): Promise<{ id: string; label: string }[]> {
    return this.page.evaluate(() =>
      window.RED.nodes.getWorkspaceOrder().map((id) => ({ id, label: window.RED.nodes.workspace(id).label })),
    );
  }

  /** Switches to a tab, by its id. */
  async show(tab: string): Promise<void> {
    await this.page.evaluate((id) => window.RED.workspaces.show(id), tab);
    await this.page.waitForFunction(
      (id) => window.RED.workspaces.active() === id && document.querySelector('.red-ui-flow-node-group'),
      tab,
    );
    await settled(this.page);
  }

  /** Imports an example with the mouse: menu, Import, Examples, the package, its name. */
  async importExample(name: string): Promise<void> {
    const { page } = this;
    await page.click('#red-ui-header-button-sidemenu');
    await page.click('#menu-item-import');
    await page.locator('.red-ui-clipboard-dialog-tabs a', { hasText: 'Examples' }).click();
    const tree = page.locator('#red-ui-clipboard-dialog-import-tab-examples');
    await tree.locator('.red-ui-treeList-label', { hasText: '@recheck/node-red-gerrit-ci' }).click();
    await tree.locator('.red-ui-treeList-label', { hasText: name }).click();
    await page.click('#red-ui-clipboard-dialog-ok');
    const tab = page.locator('#red-ui-workspace-tabs li', { hasText: name });
    await tab.click();
    await page.waitForSelector('.red-ui-flow-node-group');
    await settled(page);
  }

  /** Returns the nodes of the current tab. */
  nodes(): Promise<CanvasNode[]> {
    return this.page.evaluate(() =>
      window.RED.nodes.filterNodes({ z: window.RED.workspaces.active() }).map((node) => ({
        id: node.id,
        type: node.type,
        name: node.name,
        label: window.RED.utils.getNodeLabel(node),
        x: node.x,
        y: node.y,
        w: node.w,
        h: node.h,
      })),
    );
  }

  /** Returns the node with a label; throws if there is none. */
  async node(label: string): Promise<CanvasNode> {
    const found = (await this.nodes()).find((node) => node.label === label);
    if (!found) throw new Error(`no node ${label} on the canvas`);
    return found;
  }

  /** Returns the middle of the wire between two nodes, in screen coordinates. */
  wire(from: string, to: string): Promise<{ x: number; y: number }> {
    return this.page.evaluate(
      ([source, target]) => {
        for (const path of document.querySelectorAll<SVGPathElement>('path.red-ui-flow-link-line')) {
          const link = (path as unknown as { __data__: { source: EditorNode; target: EditorNode } }).__data__;
          if (link.source.id !== source || link.target.id !== target) continue;
          const middle = path.getPointAtLength(path.getTotalLength() / 2);
          const { x, y } = middle.matrixTransform(path.getScreenCTM()!);
          return { x, y };
        }
        throw new Error('no such wire');
      },
      [from, to] as const,
    );
  }

  /** Drags a node from the palette onto the canvas or onto a wire, and returns its id. */
  async drag(type: string, to: { x: number; y: number }, onto: 'canvas' | 'wire' = 'canvas'): Promise<string> {
    const { page } = this;
    const before = new Set((await this.nodes()).map((node) => node.id));
    const item = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await item.scrollIntoViewIfNeeded();
    await item.hover();
    await page.mouse.down();
    await page.mouse.move(to.x - 60, to.y + 40, { steps: 12 });
    await page.mouse.move(to.x, to.y, { steps: 12 });
    // The mouse does not hold the node by its centre: move the centre to the target, then up until the wire highlights.
    const dragged = (await page.locator('.ui-draggable-dragging').boundingBox())!;
    const x = to.x + to.x - (dragged.x + dragged.width / 2);
    const y = to.y + to.y - (dragged.y + dragged.height / 2);
    await page.mouse.move(x, y, { steps: 4 });
    for (let lift = 0; onto === 'wire' && lift <= 20; lift += 2) {
      await page.mouse.move(x, y - lift, { steps: 2 });
      await settled(page);
      if (await page.locator('.red-ui-flow-link-splice').count()) break;
    }
    await page.mouse.up();
    const added = (await this.nodes()).filter((node) => !before.has(node.id));
    if (added.length !== 1) throw new Error(`${added.length} nodes were added by the drag`);
    return added[0]!.id;
  }

  /** Draws a wire from an output to an input. */
  async connect(from: string, to: string): Promise<void> {
    const { page } = this;
    const port = (id: string, kind: 'output' | 'input') =>
      page.locator(`[id="${id}"] .red-ui-flow-port-${kind} .red-ui-flow-port`).first();
    const start = (await port(from, 'output').boundingBox())!;
    const end = (await port(to, 'input').boundingBox())!;
    await page.mouse.move(start.x + start.width / 2, start.y + start.height / 2);
    await page.mouse.down();
    await page.mouse.move(end.x - 30, end.y + 20, { steps: 8 });
    await page.mouse.move(end.x + end.width / 2, end.y + end.height / 2, { steps: 8 });
    await page.mouse.up();
  }

  /** Opens a node's form as a double click does, or the form of a new configuration node of `type` if `id` is unknown. */
  async open(id: string, type = ''): Promise<void> {
    await this.page.evaluate(
      ([node, kind]) => {
        const { RED } = window;
        const found = RED.nodes.node(node);
        if (!found) RED.editor.editConfig('', kind, '_ADD_');
        else if (found._def.category === 'config') RED.editor.editConfig('', found.type, node);
        else RED.editor.edit(found);
      },
      [id, type] as const,
    );
    await this.page.waitForSelector('.red-ui-tray .recheck-form', { state: 'visible' });
    await settled(this.page);
  }

  /** Closes the form with one of its buttons. */
  async close(button: 'ok' | 'cancel'): Promise<void> {
    await this.page.locator(`#node-config-dialog-${button}, #node-dialog-${button}`).last().click();
    await this.page.waitForSelector('.red-ui-tray', { state: 'detached' });
  }

  /** Replaces the text in the code editor of the open form. */
  async write(text: string): Promise<void> {
    const code = this.page.locator('.recheck-scripting .node-text-editor');
    await code.click({ position: { x: 200, y: 30 } });
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.press('Delete');
    await this.page.keyboard.insertText(text);
  }

  /** Presses Deploy and waits until everything is deployed. */
  async deploy(): Promise<void> {
    await this.page.click('#red-ui-header-button-deploy');
    await this.page.waitForSelector('#red-ui-header-button-deploy.disabled');
  }

  /** Starts to collect statuses; the returned function returns those seen so far, as `label: text`. */
  async watchStatuses(): Promise<() => Promise<string[]>> {
    await this.page.evaluate(() => {
      const seen = new Set<string>();
      window.seen = seen;
      const look = () => {
        for (const group of document.querySelectorAll<SVGGElement>('g.red-ui-flow-node-group')) {
          const text = group.querySelector('.red-ui-flow-node-status-label')?.textContent;
          if (text) seen.add(`${window.RED.utils.getNodeLabel(window.RED.nodes.node(group.id)!)}: ${text}`);
        }
      };
      look();
      new MutationObserver(look).observe(document.querySelector('#red-ui-workspace-chart')!, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    return () => this.page.evaluate(() => [...window.seen]);
  }
}

/** Waits until the page stops moving. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.still = 0;
  });
  await page.waitForFunction(
    () => {
      const now = [
        ...document.querySelectorAll('.red-ui-tray, .ui-dialog, .red-ui-flow-node-group, .red-ui-loading-screen'),
      ]
        .map((element) => JSON.stringify(element.getBoundingClientRect()) + getComputedStyle(element).opacity)
        .join();
      window.still = now === window.boxes ? window.still + 1 : 0;
      window.boxes = now;
      return window.still >= 3;
    },
    undefined,
    { polling: 80 },
  );
}
