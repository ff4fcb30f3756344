// The audits of graphql-http: every one of them has to be ok, not only the required ones.
import { serverAudits } from 'graphql-http';
import { check, suite, tenant, url } from './common.mjs';

await suite(async () => {
  const key = await tenant('audits');
  const fetchFn = (input, init = {}) => fetch(input, { ...init, headers: { ...init.headers, 'x-api-key': key } });
  const audits = serverAudits({ url, fetchFn });
  for (const audit of audits) {
    const result = await audit.fn();
    check(`${result.status} ${audit.id} ${audit.name}`, result.status === 'ok', result.reason);
  }
  check('there are 61 audits', audits.length === 61, audits.length);
});
