// urql: queries by GET and POST, a mutation, a subscription over WebSocket.
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { check, socketUrl, START, suite, target, tenant, url } from './common.mjs';

await suite(async () => {
  const key = await tenant('urql');
  const methods = [];
  const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: { apiKey: key } });
  const client = new Client({
    url,
    preferGetMethod: 'force',
    fetchOptions: { headers: { 'x-api-key': key } },
    fetch: (input, init) => {
      methods.push(init.method ?? 'GET');
      return fetch(input, init);
    },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query: request.query ?? '', variables: request.variables }, sink) }),
        }),
      }),
    ],
  });
  const usage = await client.query('query Usage { usage { plan scansUsed } }', {}).toPromise();
  check('a query by GET', usage.data?.usage.plan === 'enterprise' && methods[0] === 'GET', { usage, methods });
  const input = await target();
  const started = await client.mutation(START, { input }).toPromise();
  const id = started.data?.startScan.scan?.id;
  check('a mutation by POST', Boolean(id) && methods.at(-1) === 'POST', { started, methods });
  const seen = [];
  await new Promise((resolve) => {
    const query = 'subscription($id: ID!) { scanProgress(id: $id) { status } }';
    const { unsubscribe } = client.subscription(query, { id }).subscribe((result) => {
      seen.push(result.data?.scanProgress?.status ?? String(result.error));
      if (['COMPLETED', 'FAILED'].includes(seen.at(-1)) || result.error) {
        unsubscribe();
        resolve();
      }
    });
  });
  check('a subscription', seen.at(-1) === 'COMPLETED', seen);
  const wrong = await client.query('query($first: Int!) { scans(first: $first) { nodes { id } } }', { first: 101 }).toPromise();
  check('an error with its code', wrong.error?.graphQLErrors[0]?.extensions.code === 'VALIDATION_ERROR', wrong.error);
});
