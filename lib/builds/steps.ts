/** The work of each node type that is a step of a build. */
export { bootStep } from './steps/boot.ts';
export { type CloneRequirement, cloneStep } from './steps/clone.ts';
export { metadataStep } from './steps/metadata.ts';
export { publishStep } from './steps/publish.ts';
export { scriptStep } from './steps/script.ts';
