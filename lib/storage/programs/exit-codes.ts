/** How a storage program ends if its result is an answer, not a fault. */
export const EXIT = {
  notThere: 10,
  noImage: 11,
  foreign: 12,
  taken: 13,
  ready: 14,
  noDraft: 15,
  noDisk: 16,
  busy: 17,
  stuck: 18,
} as const;
