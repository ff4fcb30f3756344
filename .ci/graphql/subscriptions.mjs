// Subscriptions through graphql-ws and graphql-sse, unchanged.
import { createClient } from 'graphql-ws';
import { createClient as createSseClient } from 'graphql-sse';
import { WebSocket } from 'ws';
import { ask, check, socketUrl, START, suite, target, tenant, url } from './common.mjs';

const PROGRESS = `subscription Progress($id: ID!) { scanProgress(id: $id) { id status progress { percent } } }`;
const FINDINGS = `subscription Findings($id: ID!) { scanFindings(id: $id) { fingerprint title severity status } }`;

/** Every value until the operation completes. */
function all(client, query, variables) {
  return new Promise((resolve, reject) => {
    const values = [];
    client.subscribe({ query, variables }, { next: (value) => values.push(value), error: reject, complete: () => resolve(values) });
  });
}

await suite(async () => {
  const key = await tenant('subscriptions');
  const input = await target();
  const clients = {
    'graphql-ws': createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: { apiKey: key }, retryAttempts: 0 }),
    'graphql-sse': createSseClient({ url, headers: { 'x-api-key': key }, retryAttempts: 0 }),
  };
  for (const [name, client] of Object.entries(clients)) {
    const started = await ask(key, START, { input });
    const { id } = started.data.startScan.scan;
    const [progress, findings] = await Promise.all([all(client, PROGRESS, { id }), all(client, FINDINGS, { id })]);
    const last = progress.at(-1)?.data?.scanProgress;
    check(`${name}: the scan is followed to its end`, last?.status === 'COMPLETED' && last.progress.percent === 100, progress);
    check(`${name}: changes are told`, progress.length >= 2, progress.length);
    const prints = findings.map((value) => value.data.scanFindings.fingerprint);
    const stored = await ask(key, `query($id: ID!) { scan(id: $id) { findings(first: 100) { nodes { fingerprint } } } }`, { id });
    const expected = stored.data.scan.findings.nodes.map((node) => node.fingerprint);
    check(`${name}: each finding once`, prints.length > 0 && prints.sort().join() === expected.sort().join(), prints);
    const values = await all(client, '{ usage { plan } }');
    check(`${name}: a query is one value`, values.length === 1 && values[0].data.usage.plan === 'enterprise', values);
    const refused = await all(client, PROGRESS, { id: 'scan_unknown' }).catch((error) => error);
    const said = JSON.stringify(refused) + `${refused?.[0]?.extensions?.code} ${refused?.code} ${refused?.reason} ${refused?.message}`;
    check(`${name}: an unknown scan is an error`, said.includes('NOT_FOUND'), said);
  }
});
