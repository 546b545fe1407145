import { gerritContract } from './contract.ts';
import { RealGerrit } from './fixture.ts';

gerritContract('the real server', () => RealGerrit.start());
