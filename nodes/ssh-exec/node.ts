import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { When } from '../../lib/builds/step.ts';
import { scriptStep } from '../../lib/builds/steps.ts';
import { noHost } from '../../lib/errors/build.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import { configNode } from '../shared/config-nodes.ts';
import { environmentOf, flagOf, namesOf, numberOf, rowsOf, textOf } from '../shared/settings.ts';
import { stepNode } from '../shared/step-node.ts';

interface Config extends NodeDef {
  target: 'guest' | 'host';
  guests: string;
  host: string;
  script: string;
  interpreter: string;
  user: string;
  env: { name: string; value: string }[];
  secretNames: string[];
  timeout: string;
  mayReboot?: boolean;
  when: When;
  wires: string[][];
}

/**
 * Default time limits of a script: of one that runs while the build passes, to which the job's time limit applies too,
 * and of others.
 */
const DEFAULT_TIMEOUT_MS = 24 * 3600_000;
const DEFAULT_TIMEOUT_AFTER_MS = 10 * 60_000;

/** ssh-exec: runs a script in guests or on another machine. */
export default function (RED: NodeAPI): void {
  RED.nodes.registerType(
    'ssh-exec',
    function (this: Node<{ secrets: string }>, config: Config) {
      RED.nodes.createNode(this, config);
      const when = (textOf(config.when, 'passing') as When) ?? 'passing';
      const guests = namesOf(config.guests);
      const secrets = secretsOf(this.credentials?.secrets, rowsOf<string>(config.secretNames));
      const limit =
        numberOf(config.timeout, 0) * 60_000 || (when === 'passing' ? DEFAULT_TIMEOUT_MS : DEFAULT_TIMEOUT_AFTER_MS);
      // The job's time limit does not apply to scripts that run always or after a failure: they have one of their own.
      const spec = { when, timed: when === 'passing', ...(guests.length > 0 ? { guest: guests.join(', ') } : {}) };
      const openHost = async (signal: AbortSignal) => {
        // Looked up at each build: a deploy may have changed only the configuration node.
        const host = configNode(RED, 'ssh-host', config.host);
        if (!host) throw noHost(this.name || this.type);
        return host.open(signal);
      };
      stepNode(RED, this, spec, (runtime, key) => (context) => {
        const { id } = context.build;
        const topic = context.build.change.project;
        return scriptStep(
          context,
          {
            node: this.name || this.type,
            guests,
            ...(config.target === 'host' ? { host: openHost } : {}),
            script: config.script ?? '',
            interpreter: textOf(config.interpreter, '/bin/bash -xe'),
            ...(textOf(config.user) ? { user: textOf(config.user) } : {}),
            env: environmentOf(config.env),
            secrets,
            timeout: limit,
            mayReboot: flagOf(config.mayReboot ?? false),
            // Lines are collected only if the second output is wired.
            ...(config.wires[1]?.length
              ? {
                  onLines: (lines: string[], dropped: number) =>
                    runtime.flow.sendFrom(key, 1, {
                      topic,
                      payload: lines,
                      buildId: id,
                      ...(dropped ? { dropped } : {}),
                    }),
                }
              : {}),
          },
          runtime.services,
        );
      });
    },
    { credentials: { secrets: { type: 'password' } } },
  );
}

/**
 * Returns the secret variables. The editor stores them as a JSON object in one credential, which may still contain
 * removed ones.
 */
function secretsOf(json: string | undefined, names: string[]): Record<string, string> {
  if (!json) return {};
  const values: unknown = JSON.parse(json);
  if (!isRecord(values)) return {};
  return Object.fromEntries(names.filter((name) => name in values).map((name) => [name, String(values[name])]));
}
