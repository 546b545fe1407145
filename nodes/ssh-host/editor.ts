import { checkKey } from '../editor/check.ts';
import { connectionValidators, showConnection } from '../editor/connection.ts';
import { nodeEditor } from '../editor/node-editor.ts';

export default nodeEditor<{ host: string; user: string }>('ssh-host', {
  label: ({ host, user }) => (host ? `${user}@${host}` : 'ssh-host'),
  validate: {
    ...connectionValidators(),
    privateKey: (node, value) => checkKey(node, value),
  },
  prepare: showConnection,
});
