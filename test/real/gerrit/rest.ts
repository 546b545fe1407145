/** Credentials for Gerrit's HTTP API. */
export interface RestUser {
  name: string;
  password: string;
}

/** Gerrit's REST API, as one user. */
export class Rest {
  readonly #url: string;
  readonly #user: RestUser;

  constructor(url: string, user: RestUser) {
    this.#url = url;
    this.#user = user;
  }

  /** Calls `/a/<path>`. Sends a string as plain text, any other body as JSON. Throws unless the response is a 2xx. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const { name, password } = this.#user;
    const plain = typeof body === 'string';
    const answer = await fetch(`${this.#url}/a/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
        ...(body === undefined ? {} : { 'content-type': plain ? 'text/plain' : 'application/json' }),
      },
      body: body === undefined ? undefined : plain ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    // Each JSON response starts with a line that keeps browsers from running it as a script.
    const json = text.replace(/^\)\]\}'\n/, '');
    return json === text ? text : JSON.parse(json);
  }

  get<T>(path: string): Promise<T> {
    return this.call('GET', path) as Promise<T>;
  }
}
