/** What a command of the server answers when it refuses: its words on stderr, and the exit code. Never leaves the wing. */
export class Refusal extends Error {
  readonly exitCode: number;

  constructor(text: string, exitCode = 1) {
    super(text);
    this.exitCode = exitCode;
  }
}

/** `fatal: …`, as Gerrit's commands end when they give up before they did anything. */
export const fatal = (text: string): Refusal => new Refusal(`fatal: ${text}\n`);

/** How `gerrit review` reports that a review was not posted. */
export const reviewFailed = (text: string): Refusal =>
  new Refusal(`error: ${text}\n\nfatal: one or more reviews failed; review output above\n`);

/** How `gerrit review --json` reports that its input cannot be read. */
export const inputUnreadable = (text: string): Refusal =>
  new Refusal(`error: ${text}\n\nfatal: internal error while reading review input\n`);
