import { badAuthorizedKey } from '../errors/metadata.ts';
import { render } from '../template/render.ts';
import type { MetadataDocument } from './types.ts';
import { checkUserData, userDataKind } from './user-data.ts';

/** What the operator sets of the metadata that guests get. */
export interface MetadataSettings {
  /** Template; what comes out is made a valid host name. */
  hostname: string;
  /** Template of a `#cloud-config` or a `#!` script; other kinds are taken as they are. Empty for none. */
  userData: string;
  /** As userData. */
  vendorData?: string;
  /** Keys of the operator, as in an authorized_keys file. */
  authorizedKeys: string;
  /** Content of the authorized_keys file that the settings name; missing where they name none. */
  authorizedKeysFile?: string;
}

/** A public key, with options before it or not (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
const KEY_LINE =
  /(?:^|\s)(?:sk-)?(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+)(?:@openssh\.com)?\s+AAAA[A-Za-z0-9+/]+={0,3}(?:\s|$)/;

/**
 * What one guest will be told.
 *
 * @param settings with the public key that the controller logs in with
 * @param view what the templates are filled from; its values may come from strangers
 * @param instanceId unique for each boot, since cloud-init does nothing for an instance that it knows: the domain's name
 * @throws CiError where a template, the user-data that it makes, or a key is not valid
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
 * Fills a user-data template and checks what came out. The kind tells how values are escaped: as JSON strings in a
 * `#cloud-config`, in single quotes in a script. Other kinds have templates of their own and are left alone.
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
 * Checks a user-data template before a build fills it: as renderUserData does, with a sample for each value.
 *
 * @throws CiError metadata/user-data, or of the template
 */
export function checkUserDataTemplate(template: string): void {
  renderUserData(template, sample());
}

/** Has every field, and every field in it: each is the text "sample". */
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

/** The keys of an authorized_keys text, without comments and empty lines. @throws CiError that names a bad line */
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

/** Makes a host name's label of any text (RFC 1123: letters, digits, dashes inside, at most 63). */
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
