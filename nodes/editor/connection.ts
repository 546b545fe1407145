/** The fields of an SSH connection in the forms of gerrit-server and ssh-host. */
import { check, type SettingRule } from './check.ts';
import { iconLine } from './dom.ts';
import type { EditorNode, Verdict } from './editor-node.ts';
import type { Form } from './form.ts';
import { showHostKey } from './host-key.ts';
import { showPrivateKey } from './private-key.ts';
import { type Answer, answerOf } from './server.ts';
import { say } from './words.ts';

/** Result of a connection test. An ssh-host has no account and no permissions. */
interface Test {
  version: string;
  account: string;
  mayStream: boolean;
  mayVote: boolean;
  hostKey: string;
}

const RULES = {
  host: { pattern: /^[^\s/@]+$/, says: 'host' },
  port: { whole: [1, 65535] },
  user: { pattern: /^\S+$/, says: 'noSpaces' },
  hostKey: { optional: true, pattern: /^(SHA256:\S{43}=?|[\w@.-]+ AAAA\S+.*)$/, says: 'hostKey' },
} satisfies Record<string, SettingRule>;

/** Returns the validators of the connection settings. With `when`, they apply only under those settings. */
export function connectionValidators(when: SettingRule['when'] = {}) {
  const by =
    (property: keyof typeof RULES) =>
    (node: EditorNode, value: unknown): Verdict =>
      check(node, property, value, { ...RULES[property], when } as SettingRule);
  return { host: by('host'), port: by('port'), user: by('user'), hostKey: by('hostKey') };
}

/** Returns the settings and credentials in the form, as a connection test expects them. */
function settingsOf(form: Form): object {
  const { defaults, credentials } = form.node._def;
  const take = (names: object = {}) => Object.fromEntries(Object.keys(names).map((name) => [name, form.value(name)]));
  return { id: form.node.id, config: take(defaults), credentials: take(credentials) };
}

function showTest(place: JQuery, answer: Answer<Test>): void {
  const { ok, error = '', version = '', account, hostKey } = answer;
  if (!ok) {
    iconLine(place, 'fa-times', 'recheck-bad', error);
    return;
  }
  iconLine(place, 'fa-check', 'recheck-good', say('test.connected', { version }));
  if (account) iconLine(place, 'fa-user-o', '', say('test.account', { account }));
  for (const right of ['mayStream', 'mayVote'] as const) {
    if (answer[right] === undefined) continue;
    if (answer[right]) iconLine(place, 'fa-check', 'recheck-good', say(`test.${right}`));
    else iconLine(place, 'fa-exclamation-triangle', 'recheck-caution', say(`test.${right}Not`));
  }
  if (hostKey) iconLine(place, 'fa-lock', '', say('test.hostKey', { hostKey }));
}

/** Sets up the button that tests the connection with the settings in the form. `done` is called after each test. */
function makeTestButton(form: Form, done: () => void): void {
  const button = form.root.find('#recheck-test');
  const place = form.root.find('#recheck-test-result');
  button.on('click', async () => {
    button.prop('disabled', true);
    place.prop('hidden', false).empty();
    iconLine(place, 'fa-spinner fa-pulse', '', say('test.running'));
    const answer = await answerOf<Test>('POST', `test/${form.node.type}`, settingsOf(form));
    place.empty();
    showTest(place, answer);
    button.prop('disabled', false);
    done();
  });
}

/** Inserts the connection fields into the form's `.recheck-connection`. Rows already in there go above the test. */
export function showConnection(form: Form): void {
  form.insert('#recheck-connection', '.recheck-connection');
  form.field('user').attr('placeholder', form.say('placeholder.user'));
  showPrivateKey(form);
  makeTestButton(form, showHostKey(form));
}
