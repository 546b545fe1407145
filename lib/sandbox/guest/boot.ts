import { generateKeyPair } from '../../ssh/keys.ts';
import type { GuestConfig, GuestUp } from '../guest-protocol.ts';
import { log } from './console.ts';
import { guestEnvironment } from './environment.ts';
import { type InstanceMetadata, readMetadata } from './metadata-client.ts';
import { openSsh } from './ssh-server.ts';
import { runUserScript } from './user-script.ts';

/**
 * Boots this process as a guest: metadata, user-data, then SSH; each step is logged on the console.
 *
 * @throws Error if there is no metadata: as with cloud-init, nobody could log in then
 */
export async function bootGuest(config: GuestConfig): Promise<GuestUp> {
  log(`Recheck sandbox guest ${config.domain}, a process of this machine, not isolated`);
  log(`network: ${config.address}`);
  if (config.metadataUrl === undefined) {
    throw new Error('there is no metadata server to get keys from; put a metadata-server node before the boot');
  }
  const metadata = await readMetadata({
    baseUrl: config.metadataUrl,
    address: config.address,
    timeout: config.metadataTimeout,
    log,
  });
  log(`metadata: instance ${metadata.instanceId}, hostname ${metadata.hostname}, ${metadata.publicKeys.length} keys`);
  const env = guestEnvironment(config, metadata.hostname);
  await applyUserData(config, metadata, env);
  const hostKey = config.hostKey ?? generateKeyPair(config.domain).privateKey;
  const port = await openSsh({
    address: config.address,
    hostKey,
    authorizedKeys: metadata.publicKeys,
    home: config.home,
    env,
    log,
  });
  log(`ssh: open at ${config.address} port ${port}`);
  return { type: 'up', port };
}

async function applyUserData(
  config: GuestConfig,
  metadata: InstanceMetadata,
  env: Record<string, string>,
): Promise<void> {
  const { userData } = metadata;
  if (userData === '') return log('user-data: none');
  if (!userData.startsWith('#!')) {
    return log(`user-data: "${userData.split('\n', 1)[0]}" is for a real guest; the sandbox runs scripts (#!) only`);
  }
  log('user-data: running the script');
  const { home, tmp } = config;
  const write = (chunk: Buffer) => process.stdout.write(chunk);
  const outcome = await runUserScript(userData, { home, tmp, env, timeout: config.scriptTimeout, write });
  log(`user-data: the script ${outcome}`);
}
