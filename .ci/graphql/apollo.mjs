// Apollo Client, as a frontend would set it up.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { check, socketUrl, START, suite, target, tenant, url } from './common.mjs';

// Version 3 is CommonJS for Node.
const require = createRequire(import.meta.url);
const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql, split } = require('@apollo/client/core');
const { createPersistedQueryLink } = require('@apollo/client/link/persisted-queries');
const { GraphQLWsLink } = require('@apollo/client/link/subscriptions');
const { getMainDefinition, relayStylePagination } = require('@apollo/client/utilities');

await suite(async () => {
  const key = await tenant('apollo');
  const sent = [];
  const http = new HttpLink({
    uri: url,
    headers: { 'x-api-key': key },
    fetch: (input, init) => {
      sent.push({ method: init.method, body: init.body ?? '' });
      return fetch(input, init);
    },
  });
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const persisted = createPersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const socket = new GraphQLWsLink(createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: { apiKey: key } }));
  const isSubscription = ({ query }) => getMainDefinition(query).operation === 'subscription';
  const cache = new InMemoryCache({
    possibleTypes: { Node: ['Tenant', 'Plan', 'ApiKey', 'Scan', 'Finding'] },
    typePolicies: { Query: { fields: { scans: relayStylePagination(['filter', 'orderBy']) } } },
  });
  const client = new ApolloClient({ link: split(isSubscription, socket, ApolloLink.from([persisted, http])), cache });

  const USAGE = gql`query Usage { usage { plan scansUsed scansLimit quotaResetDate } plans { id planId } }`;
  const first = await client.query({ query: USAGE });
  check('a query', first.data.usage.plan === 'enterprise' && first.data.plans.length > 3, first);
  const misses = sent.length;
  await client.query({ query: USAGE, fetchPolicy: 'network-only' });
  check('a persisted query is asked for once more, then known', misses === 2 && sent.length === 3, sent);
  check('by its hash alone', sent[2].method === 'GET', sent[2]);

  const input = await target();
  const ids = [];
  for (let n = 0; n < 5; n += 1) {
    const started = await client.mutate({ mutation: gql(START), variables: { input } });
    ids.push(started.data.startScan.scan.id);
  }
  check('mutations', ids.every(Boolean), ids);
  const refused = await client.mutate({ mutation: gql(START), variables: { input: { url: 'nonsense' } } });
  check('user errors are data', refused.data.startScan.userErrors[0].path.join('.') === 'input.url', refused);

  const done = await new Promise((resolve, reject) => {
    const query = gql`subscription($id: ID!) { scanProgress(id: $id) { id status progress { percent } } }`;
    const seen = [];
    client.subscribe({ query, variables: { id: ids[0] } }).subscribe({
      next: (value) => seen.push(value.data.scanProgress.status),
      error: reject,
      complete: () => resolve(seen),
    });
  });
  check('a subscription ends with the scan', done.at(-1) === 'COMPLETED', done);

  const SCANS = gql`query Scans($after: String) {
    scans(first: 2, after: $after) { edges { cursor node { id scanId status } } pageInfo { hasNextPage endCursor } }
  }`;
  const observed = client.watchQuery({ query: SCANS });
  await observed.result();
  for (let page = 0; page < 5; page += 1) {
    const { pageInfo } = observed.getCurrentResult().data.scans;
    if (!pageInfo.hasNextPage) break;
    await observed.fetchMore({ variables: { after: pageInfo.endCursor } });
  }
  const edges = observed.getCurrentResult().data.scans.edges.map((edge) => edge.node.id);
  check('pages are merged', edges.length === 5 && new Set(edges).size === 5, edges);
  const entity = cache.extract()[`Scan:${ids[0]}`];
  check('objects are kept by their global id', entity?.status === 'COMPLETED', Object.keys(cache.extract()).slice(0, 9));

  const partly = await client.query({
    query: gql`query { usage { plan } scans(first: 0) { nodes { id } } }`,
    errorPolicy: 'all',
    fetchPolicy: 'network-only',
  });
  check('data beside errors', partly.data.usage.plan === 'enterprise' && partly.errors[0].extensions.code === 'VALIDATION_ERROR', partly);
  const wrong = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url, headers: { 'x-api-key': 'no' } }) });
  const unauthorized = await wrong.query({ query: USAGE }).catch((error) => error);
  check('a wrong key', unauthorized.networkError?.statusCode === 401, unauthorized);
});
