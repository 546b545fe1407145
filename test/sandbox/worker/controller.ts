/** A controller that boots one guest with a background process and prints "ready"; its test then kills it. */
import { openWorld } from './sandbox-world.ts';

const world = await openWorld({ root: process.argv[2]! });
const address = await world.boot('orphan');
const host = await world.login(address);
await host.run(['sh', '-c', '(setsid sleep 1000 >/dev/null 2>&1 </dev/null &)']);
const left = await host.start(['sleep', '1000']);
left.exit.catch(() => {});
console.log('ready');
