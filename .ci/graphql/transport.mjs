// What the other suites' clients never do by themselves: HTTP and WebSocket by hand, and a server that restarts.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { ask, check, socketUrl, START, suite, target, tenant, url } from './common.mjs';

const within = (ms, promise) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, ms, 'nothing in time'))]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function send(key, { method = 'POST', headers = {}, body, query = '' }) {
  const answer = await fetch(url + query, { method, headers: { 'x-api-key': key, ...headers }, body });
  const text = await answer.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', allow: answer.headers.get('allow'), text, json };
}

/** The first bytes after the upgrade, without a client that has an opinion on subprotocols: status, and the close code. */
function upgrade(protocol) {
  return new Promise((resolve) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': protocol,
    };
    const request = http.get(url, { headers });
    request.on('error', (error) => resolve({ error: String(error) }));
    request.on('response', (response) => resolve({ status: response.statusCode }));
    request.on('upgrade', (response, socket, head) => {
      let bytes = head;
      const look = () => {
        if (bytes.length < 4) return;
        resolve({ status: response.statusCode, opcode: bytes[0] & 15, code: bytes.readUInt16BE(2) });
        socket.destroy();
      };
      socket.on('data', (data) => {
        bytes = Buffer.concat([bytes, data]);
        look();
      });
      socket.on('end', () => resolve({ status: response.statusCode, ended: true }));
      look();
    });
  });
}

/** An acknowledged connection that keeps all it hears. */
async function connect(address, key) {
  const socket = new WebSocket(address, 'graphql-transport-ws');
  socket.on('error', () => {});
  const heard = [];
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const acknowledged = new Promise((resolve) => {
    socket.on('message', (data) => {
      heard.push(JSON.parse(data));
      resolve(heard[0].type);
    });
  });
  await new Promise((resolve) => socket.on('open', resolve));
  socket.send(JSON.stringify({ type: 'connection_init', payload: { apiKey: key } }));
  await within(5000, acknowledged);
  return { socket, heard, closed, say: (message) => socket.send(JSON.stringify(message)) };
}

async function overHttp(key) {
  const json = { 'content-type': 'application/json' };
  const post = (body, headers = {}) => send(key, { headers: { ...json, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const get = (document, headers = {}) => send(key, { method: 'GET', headers, query: `?query=${encodeURIComponent(document)}` });
  const made = (await ask(key, 'query { apiKeys { id } }')).data.apiKeys.length;
  for (const document of ['mutation { createApiKey(input: {name: "got"}) { secret } }', 'subscription { usageAlerts { alertId } }']) {
    const seen = await get(document);
    check(`${document.split(' ')[0]} by GET: 405, Allow: POST`, seen.status === 405 && seen.allow === 'POST', seen);
  }
  const keys = (await ask(key, 'query { apiKeys { id } }')).data.apiKeys.length;
  check('and nothing was made', keys === made, { made, keys });
  const got = await get('{ __typename }');
  check('a query by GET', got.status === 200 && got.json?.data?.__typename === 'Query' && got.type.startsWith('application/json'), got);

  const graphql = 'application/graphql-response+json';
  for (const [name, document] of [['no document', '{'], ['unknown field', '{ nonsense }']]) {
    const strict = await post({ query: document }, { accept: graphql });
    const holds = strict.status >= 400 && strict.status < 500 && strict.type.startsWith(graphql) && strict.json?.errors?.length > 0 && !('data' in strict.json);
    check(`${name}, ${graphql}: 4xx without data`, holds, strict);
  }
  const picky = await post({ query: '{ __typename }' }, { accept: 'text/html' });
  check('Accept: text/html: 406', picky.status === 406, picky);
  const preferred = await post({ query: '{ __typename }' }, { accept: `application/json;q=0.5, ${graphql}` });
  check('the media type that is liked best', preferred.type.startsWith(graphql), preferred);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/graphql']) {
    const seen = await post('{"query":"{ __typename }"}', { 'content-type': type });
    check(`Content-Type: ${type}: 415`, seen.status === 415, seen);
  }
  const batch = await post([{ query: '{ __typename }' }, { query: '{ __typename }' }]);
  check('no batches', batch.status >= 400 && batch.status < 500 && !Array.isArray(batch.json) && batch.json?.errors?.length === 1, batch);
  const nobody = await send('nat_pk_wrong', { headers: json, body: '{"query":"{ __typename }"}' });
  check('a wrong key: 401', nobody.status === 401 && nobody.json?.errors?.[0]?.extensions?.code === 'INVALID_API_KEY', nobody);
  const put = await send(key, { method: 'PUT', headers: json, body: '{"query":"{ __typename }"}' });
  check('PUT: 405', put.status === 405, put);

  const query = `query { __typename } # ${randomBytes(8).toString('hex')}`;
  const extensions = { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') } };
  const missed = await post({ extensions });
  const error = missed.json?.errors?.[0];
  check('an unknown hash is said as Apollo says it', error?.message === 'PersistedQueryNotFound' && error.extensions?.code === 'PERSISTED_QUERY_NOT_FOUND', missed);
  const stored = await post({ query, extensions });
  const known = await post({ extensions });
  check('stored, then known by its hash', stored.json?.data?.__typename === 'Query' && known.json?.data?.__typename === 'Query', { stored, known });
  const forged = await post({ query: '{ plans { id } }', extensions });
  check('another document under that hash is refused', forged.json?.errors?.[0]?.extensions?.code === 'PERSISTED_QUERY_MISMATCH', forged);
  const other = await send(await tenant('transport-other'), { headers: json, body: JSON.stringify({ extensions }) });
  check('a hash is known to its tenant alone', other.json?.errors?.[0]?.extensions?.code === 'PERSISTED_QUERY_NOT_FOUND', other);
}

async function overSocket(key) {
  for (const protocol of ['graphql-ws', 'nonsense', 'graphql-transport-ws2']) {
    const seen = await within(5000, upgrade(protocol));
    check(`subprotocol ${protocol}: close 4406`, seen.status === 101 && seen.opcode === 8 && seen.code === 4406, seen);
  }
  const several = new WebSocket(socketUrl, ['graphql-ws', 'graphql-transport-ws']);
  several.on('error', () => {});
  const agreed = await within(5000, new Promise((resolve) => several.on('open', () => resolve(several.protocol))));
  check('of several subprotocols the right one', agreed === 'graphql-transport-ws', agreed);
  several.terminate();

  // A stream that the client completes while the scan goes on.
  const input = await target();
  const { id } = (await ask(key, START, { input })).data.startScan.scan;
  const live = await connect(socketUrl, key);
  const query = 'subscription($id: ID!) { scanProgress(id: $id) { status progress { requestsSent } } }';
  live.say({ type: 'subscribe', id: 'p', payload: { query, variables: { id } } });
  for (let n = 0; n < 100 && live.heard.length < 2; n += 1) await sleep(10);
  check('the stream runs', live.heard[1]?.type === 'next', live.heard);
  live.say({ type: 'complete', id: 'p' });
  // What was on its way may still come; the answer to a ping is behind it.
  live.say({ type: 'ping' });
  for (let n = 0; n < 100 && !live.heard.some((message) => message.type === 'pong'); n += 1) await sleep(10);
  const before = live.heard.length;
  const stand = async () => (await ask(key, 'query($id: ID!) { scan(id: $id) { status } }', { id })).data.scan.status;
  const end = Date.now() + 60_000;
  let status = await stand();
  check('the scan still runs when the stream is completed', status === 'RUNNING', status);
  do {
    await sleep(200);
    status = await stand();
  } while (['QUEUED', 'RUNNING'].includes(status) && Date.now() < end);
  // The server looks for changes every 400 ms.
  await sleep(1200);
  check('nothing comes after complete, to the end of the scan', status === 'COMPLETED' && live.heard.length === before, { status, after: live.heard.slice(before) });
  live.socket.close();
}

/** A revoked key ends an event stream too. */
async function overEvents(key) {
  const made = (await ask(key, 'mutation { createApiKey(input: {name: "sse"}) { secret apiKey { id } } }')).data.createApiKey;
  const abort = new AbortController();
  const answer = await fetch(url, {
    method: 'POST',
    signal: abort.signal,
    headers: { 'x-api-key': made.secret, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { usageAlerts { alertId } }' }),
  });
  check('an event stream', answer.status === 200 && answer.headers.get('content-type')?.startsWith('text/event-stream'), answer.status);
  let text = '';
  const ended = (async () => {
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) text += part;
    return 'ended';
  })().catch((error) => String(error));
  await ask(key, `mutation { revokeApiKey(input: {id: "${made.apiKey.id}"}) { revokedId } }`);
  const from = Date.now();
  const how = await within(5000, ended);
  check('a revoked key ends an event stream within 1.5 s', how === 'ended' && Date.now() - from < 1500, { how, text, after: Date.now() - from });
  check('and says event: complete', text.includes('event: complete'), text);
  abort.abort();
}

/** A server of its own, since it is stopped. */
async function restart() {
  const dir = mkdtempSync(join(tmpdir(), 'nat-restart-'));
  const env = { ...process.env, DATABASE_URL: `sqlite://${dir}/nat.db?mode=rwc`, NAT_LISTEN: '127.0.0.1:0' };
  const server = spawn(process.env.TESTED_BINARY, ['serve'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = new Promise((resolve) => server.on('exit', (code) => resolve(code)));
  try {
    const address = await within(15_000, new Promise((resolve) => {
      createInterface(server.stderr).on('line', (line) => {
        const found = /listening address=([0-9.:]+)/.exec(line);
        if (found) resolve(found[1]);
      });
    }));
    const answer = await fetch(`http://${address}/api/v1/billing/sync-tenant`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sync-key': process.env.NAT_APP_SYNC_KEY },
      body: JSON.stringify({ tenant_id: 'restart', email: 'restart@example.test', plan: 'enterprise' }),
    });
    const { api_key: key } = await answer.json();
    const live = await connect(`ws://${address}/graphql`, key);
    live.say({ type: 'subscribe', id: '1', payload: { query: 'subscription { usageAlerts { alertId } }' } });
    live.say({ type: 'ping' });
    await sleep(300);
    server.kill('SIGTERM');
    const code = await within(5000, live.closed);
    check('a restart closes with 1012', code === 1012, code);
    check('and the server ends with 0', (await within(10_000, gone)) === 0, server.exitCode);
  } finally {
    server.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

await suite(async () => {
  const key = await tenant('transport');
  await overHttp(key);
  await overSocket(key);
  await overEvents(key);
  await restart();
});
