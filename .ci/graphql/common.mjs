// What the suites share: a tenant, a target, counted checks.
import http from 'node:http';

export const url = `${process.env.NAT_URL}/graphql`;
export const socketUrl = url.replace('http', 'ws');

let passed = 0;
let failed = 0;

/** Counts a check and shows what did not hold. */
export function check(name, holds, seen) {
  if (holds) passed += 1;
  else {
    failed += 1;
    console.log(`FAILED ${name}: ${JSON.stringify(seen)?.slice(0, 600)}`);
  }
}

/** Runs the suite, prints the closing line and ends the process: clients keep it alive otherwise. */
export async function suite(run) {
  try {
    await run();
  } catch (error) {
    failed += 1;
    console.log('FAILED', error);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

/** Registers a tenant and returns its key. */
export async function tenant(id, plan = 'enterprise') {
  const answer = await fetch(`${process.env.NAT_URL}/api/v1/billing/sync-tenant`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sync-key': process.env.NAT_APP_SYNC_KEY },
    body: JSON.stringify({ tenant_id: id, email: `${id}@example.test`, plan }),
  });
  const made = await answer.json();
  if (!made.api_key) throw new Error(JSON.stringify(made));
  return made.api_key;
}

export async function ask(key, query, variables) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
}

/** An API with a defect, to scan. */
export function target() {
  const schema = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } };
  const responses = { 200: { description: 'a pet', content: { 'application/json': { schema } } } };
  const paths = {};
  for (const name of ['pet', 'dog', 'cat']) paths[`/${name}`] = { get: { responses } };
  const document = { openapi: '3.0.3', info: { title: 'pets', version: '1' }, paths };
  const server = http.createServer((request, response) => {
    const body = request.url === '/openapi.json' ? document : { name: 7 };
    // Slow enough to be watched.
    setTimeout(() => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(body));
    }, 15);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const origin = `http://127.0.0.1:${server.address().port}`;
      resolve({ url: origin, specUrl: `${origin}/openapi.json`, options: { seed: '1', maxRequests: 150 } });
    });
  });
}

export const START = `mutation Start($input: StartScanInput!) {
  startScan(input: $input) { scan { id scanId status } userErrors { code message path } }
}`;
