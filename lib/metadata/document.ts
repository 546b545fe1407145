import { badAuthorizedKey } from '../errors/metadata.ts';
import { render } from '../template/render.ts';
import type { MetadataDocument } from './types.ts';
import { checkUserData, userDataKind } from './user-data.ts';

/** The operator's settings for guests' metadata. */
export interface MetadataSettings {
  /** Template; its output is turned into a valid host name. */
  hostname: string;
  /** Template of a `#cloud-config` or a `#!` script; other kinds are used literally. Empty for none. */
  userData: string;
  /** Like userData. */
  vendorData?: string;
  /** Keys of the operator, in authorized_keys format. */
  authorizedKeys: string;
  /** Content of the authorized_keys file in the settings, if any. */
  authorizedKeysFile?: string;
}

/** A public key, optionally preceded by options (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
const KEY_LINE =
  /(?:^|\s)(?:sk-)?(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+)(?:@openssh\.com)?\s+AAAA[A-Za-z0-9+/]+={0,3}(?:\s|$)/;

/**
 * Builds the metadata of one guest.
 *
 * @param settings with the controller's public key
 * @param view data of the templates; its values are untrusted
 * @param instanceId the domain's name; unique, since cloud-init does nothing for an instance that it knows
 * @throws CiError if a template, its user-data, or a key is invalid
 */
export function buildDocument(
  settings: MetadataSettings & { controllerKey: string },
  view: object,
  instanceId: string,
): MetadataDocument {
  return {
    instanceId,
    hostname: hostLabel(render('text', settings.hostname, view)),
    authorizedKeys: [
      ...new Set([
        settings.controllerKey.trim(),
        ...keyLines(settings.authorizedKeys, 'The authorised keys'),
        ...keyLines(settings.authorizedKeysFile ?? '', 'The authorised keys file'),
      ]),
    ],
    userData: renderUserData(settings.userData, view),
    vendorData: renderUserData(settings.vendorData ?? '', view),
  };
}

/**
 * Renders a user-data template and checks the result. Values are escaped by its kind: as JSON strings in a
 * `#cloud-config`, in single quotes in a script. Other kinds have template languages of their own and are used
 * literally.
 *
 * @throws CiError metadata/user-data, or of the template
 */
export function renderUserData(template: string, view: object): string {
  const kind = userDataKind(template);
  if (kind === 'none') return '';
  if (kind === 'other') {
    checkUserData(template);
    return template;
  }
  const text = render(kind === 'script' ? 'shell' : 'yaml', template, view);
  checkUserData(text);
  return text;
}

/**
 * Checks a user-data template without a build: like renderUserData, with a sample for each value.
 *
 * @throws CiError metadata/user-data, or of the template
 */
export function checkUserDataTemplate(template: string): void {
  renderUserData(template, sample());
}

/** Returns a view that has every field, at any depth; as text, each is "sample". */
function sample(): object {
  return new Proxy(
    {},
    {
      has: () => true,
      get: (_, name) => (name === Symbol.toPrimitive || name === 'toString' ? () => 'sample' : sample()),
      getOwnPropertyDescriptor: () => ({ value: '', configurable: true, enumerable: true }),
    },
  );
}

/** Returns the keys in an authorized_keys text. @throws CiError that names an invalid line */
export function keyLines(text: string, source: string): string[] {
  const keys: string[] = [];
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (!KEY_LINE.test(line)) throw badAuthorizedKey(source, i + 1);
    keys.push(line);
  }
  return keys;
}

/** Turns any text into a host name label (RFC 1123: letters, digits, inner dashes, at most 63 characters). */
export function hostLabel(text: string): string {
  const label = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 64)
    .replace(/^-+/, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return label === '' ? 'guest' : label;
}
