import { randomBytes } from 'node:crypto';
import type { Message, StartRequest } from './types.ts';

/** All builds of one trigger, with the gerrit-review nodes that they have reached. */
export class BuildSet<Member> {
  readonly id = randomBytes(4).toString('hex');
  readonly request: StartRequest;
  readonly builds: Member[] = [];
  /** Ids of the builds that reached each review node, and the last message there. */
  readonly arrived = new Map<string, { builds: Set<string>; message: Message }>();
  /** Review nodes that have reported the set, or are doing so. */
  readonly reported = new Set<string>();
  /** Review nodes whose report is neither posted nor given up: until then the set is kept. */
  readonly reporting = new Set<string>();

  constructor(request: StartRequest) {
    this.request = request;
  }

  get count(): number {
    return this.builds.length;
  }

  /** Records that a build reached a review node. */
  noteArrival(review: string, build: string, message: Message): void {
    const arrival = this.arrived.get(review);
    if (arrival) {
      arrival.builds.add(build);
      arrival.message = message;
    } else {
      this.arrived.set(review, { builds: new Set([build]), message });
    }
  }
}
