// graphql-transport-ws, spoken by hand with ws.
import { WebSocket } from 'ws';
import { ask, check, socketUrl, suite, tenant } from './common.mjs';

const ALERTS = 'subscription { usageAlerts { alertId } }';

function open(protocol = 'graphql-transport-ws', options = {}) {
  const socket = new WebSocket(socketUrl, protocol, options);
  const heard = [];
  const waiting = [];
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    const next = waiting.shift();
    if (next) next(message);
    else heard.push(message);
  });
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
  socket.on('error', () => {});
  return {
    socket,
    closed,
    ready: new Promise((resolve) => socket.on('open', resolve)),
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    hear: () => new Promise((resolve) => (heard.length ? resolve(heard.shift()) : waiting.push(resolve))),
  };
}

async function acknowledged(key) {
  const connection = open();
  await connection.ready;
  connection.say({ type: 'connection_init', payload: { apiKey: key } });
  check('acknowledged', (await connection.hear()).type === 'connection_ack');
  return connection;
}

const subscribe = (id, query = ALERTS) => ({ type: 'subscribe', id, payload: { query } });

await suite(async () => {
  const key = await tenant('protocol');
  const code = async (name, expected, connection) => {
    const seen = await connection.closed;
    check(`${name} closes with ${expected}`, seen === expected, seen);
  };
  for (const text of ['no JSON', '{}', '{"type":"nonsense"}', '[]', '7', '{"type":"subscribe"}']) {
    const connection = await acknowledged(key);
    connection.say(text);
    await code(text, 4400, connection);
  }
  const binary = await acknowledged(key);
  binary.socket.send(Buffer.from([1, 2, 3]));
  await code('binary', 4400, binary);
  const large = await acknowledged(key);
  large.say('x'.repeat(65 * 1024));
  await code('65 KiB', 4400, large);
  const early = open();
  await early.ready;
  early.say(subscribe('1'));
  await code('subscribe before the acknowledgement', 4401, early);
  for (const payload of [undefined, {}, { apiKey: 'nat_pk_wrong' }, { apiKey: 7 }]) {
    const wrong = open();
    await wrong.ready;
    wrong.say({ type: 'connection_init', payload });
    await code(`key ${JSON.stringify(payload)}`, 4403, wrong);
  }
  await code('no subprotocol', 4406, open([]));
  const began = Date.now();
  await code('no init', 4408, open());
  const waited = Date.now() - began;
  check('the init may take three seconds', waited > 2500 && waited < 4500, waited);
  const twice = await acknowledged(key);
  twice.say(subscribe('1'));
  twice.say(subscribe('1'));
  await code('the same id', 4409, twice);
  const again = await acknowledged(key);
  again.say({ type: 'connection_init' });
  await code('a second init', 4429, again);

  const life = open();
  await life.ready;
  life.say({ type: 'ping', payload: { a: 1 } });
  const pong = await life.hear();
  check('ping is answered', pong.type === 'pong' && pong.payload.a === 1, pong);
  life.say({ type: 'pong' });
  life.say({ type: 'connection_init', payload: { 'X-API-Key': key } });
  check('the header’s name will do', (await life.hear()).type === 'connection_ack');
  life.say(subscribe('1'));
  life.say({ type: 'complete', id: '1' });
  life.say(subscribe('1', '{ usage { plan } }'));
  const next = await life.hear();
  check('a completed id is free', next.type === 'next' && next.payload.data.usage.plan === 'enterprise', next);
  check('a query completes', (await life.hear()).type === 'complete');
  life.say(subscribe('2', '{ nonsense }'));
  const error = await life.hear();
  check('a wrong document is an error', error.type === 'error' && error.id === '2' && Array.isArray(error.payload), error);
  life.say(subscribe('3', `{ a(b: ${'['.repeat(5000)}1) }`));
  check('a hurtful one is refused', (await life.hear()).payload?.[0]?.extensions?.code === 'QUERY_REFUSED');

  const made = (await ask(key, 'mutation { createApiKey(input: {name: "x"}) { secret apiKey { id } } }')).data.createApiKey;
  const revoked = await acknowledged(made.secret);
  revoked.say(subscribe('1'));
  await ask(key, `mutation { revokeApiKey(input: {id: "${made.apiKey.id}"}) { revokedId } }`);
  const from = Date.now();
  await code('a revoked key', 4403, revoked);
  check('within a second', Date.now() - from < 1200, Date.now() - from);

  const foreign = new WebSocket(socketUrl, 'graphql-transport-ws', { origin: 'https://evil.example' });
  const refused = await new Promise((resolve) => {
    foreign.on('unexpected-response', (_, response) => resolve(response.statusCode));
    foreign.on('open', () => resolve('open'));
    foreign.on('error', () => {});
  });
  check('a page of another origin is refused', refused === 403, refused);
});
