import type { NodeAPI } from 'node-red';
import { checkUserDataTemplate } from '../../lib/metadata/document.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import { answer } from '../shared/admin.ts';

/**
 * Serves the check of a user-data template in forms: POST recheck/check/user-data {text} returns {ok} or {ok, error}.
 */
export function userDataAdmin(RED: NodeAPI): void {
  RED.httpAdmin.post(
    '/recheck/check/user-data',
    RED.auth.needsPermission('metadata-server.write'),
    answer((req) => {
      const text = isRecord(req.body) ? req.body['text'] : undefined;
      if (typeof text !== 'string') throw new Error('The form sent no text to check.');
      checkUserDataTemplate(text);
    }),
  );
}
