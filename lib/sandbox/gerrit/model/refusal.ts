/** A refusal by a command: its message on stderr, and the exit code. Does not leave the sandbox. */
export class Refusal extends Error {
  readonly exitCode: number;

  constructor(text: string, exitCode = 1) {
    super(text);
    this.exitCode = exitCode;
  }
}

/** Returns the refusal of a command that has not done anything: `fatal: …`. */
export const fatal = (text: string): Refusal => new Refusal(`fatal: ${text}\n`);

/** Returns the refusal of `gerrit review` for a review that was not posted. */
export const sandboxReviewFailed = (text: string): Refusal =>
  new Refusal(`error: ${text}\n\nfatal: one or more reviews failed; review output above\n`);

/** Returns the refusal of `gerrit review --json` for input that cannot be parsed. */
export const inputUnreadable = (text: string): Refusal =>
  new Refusal(`error: ${text}\n\nfatal: internal error while reading review input\n`);
