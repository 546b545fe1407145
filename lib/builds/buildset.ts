import { randomBytes } from 'node:crypto';
import type { Message, StartRequest } from './types.ts';

/** All builds of one trigger, and which of them have come to which gerrit-review. */
export class BuildSet<Member> {
  readonly id = randomBytes(4).toString('hex');
  readonly request: StartRequest;
  readonly builds: Member[] = [];
  /** Builds that came to a review node, with the last message. */
  readonly arrived = new Map<string, { builds: Set<string>; message: Message }>();
  readonly reported = new Set<string>();
  /** Reviews whose report is on its way: until it is posted or given up, the set is not forgotten. */
  readonly reporting = new Set<string>();

  constructor(request: StartRequest) {
    this.request = request;
  }

  get count(): number {
    return this.builds.length;
  }

  /** Notes that a build came to a review node. */
  arrive(review: string, build: string, message: Message): void {
    const there = this.arrived.get(review);
    if (there) {
      there.builds.add(build);
      there.message = message;
    } else {
      this.arrived.set(review, { builds: new Set([build]), message });
    }
  }
}
