/**
 * Entry point of the bundle that the editor loads before the node types. `window.Recheck` holds each type's part of its
 * registration, which editor.html completes.
 */
import ciJobs from '../ci-jobs/editor.ts';
import cloneImage from '../clone-image/editor.ts';
import gerritEvents from '../gerrit-events/editor.ts';
import gerritReview from '../gerrit-review/editor.ts';
import gerritServer from '../gerrit-server/editor.ts';
import metadataServer from '../metadata-server/editor.ts';
import publishLogs from '../publish-logs/editor.ts';
import sshExec from '../ssh-exec/editor.ts';
import sshHost from '../ssh-host/editor.ts';
import virshBoot from '../virsh-boot/editor.ts';
import vmImage from '../vm-image/editor.ts';
import workerHost from '../worker-host/editor.ts';
import { countUseInLists } from './references.ts';

window.Recheck = {
  'ci-jobs': ciJobs,
  'clone-image': cloneImage,
  'gerrit-events': gerritEvents,
  'gerrit-review': gerritReview,
  'gerrit-server': gerritServer,
  'metadata-server': metadataServer,
  'publish-logs': publishLogs,
  'ssh-exec': sshExec,
  'ssh-host': sshHost,
  'virsh-boot': virshBoot,
  'vm-image': vmImage,
  'worker-host': workerHost,
};
countUseInLists();
