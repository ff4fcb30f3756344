// The Relay compiler over documents with its own directives: connections, refetchable fragments, node.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { check, suite } from './common.mjs';

const SOURCE = `import { graphql, useFragment, usePaginationFragment, useRefetchableFragment, useSubscription } from 'react-relay';

export const query = graphql\`
  query mainQuery($count: Int!, $id: ID!) {
    ...main_scans @arguments(count: $count)
    node(id: $id) { ...main_scan @alias(as: "scan") }
  }
\`;

export function useScans(key: any) {
  return usePaginationFragment(graphql\`
    fragment main_scans on Query
    @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }, filter: { type: "ScanFilter" })
    @refetchable(queryName: "mainScansPaginationQuery") {
      scans(first: $count, after: $cursor, filter: $filter) @connection(key: "main_scans") {
        edges { node { id status ...main_row } }
      }
    }
  \`, key);
}

export function useRow(key: any) {
  return useFragment(graphql\`fragment main_row on Scan { scanId url progress { percent } }\`, key);
}

export function useScan(key: any) {
  return useRefetchableFragment(graphql\`
    fragment main_scan on Scan
    @argumentDefinitions(findings: { type: "Int", defaultValue: 20 }, after: { type: "String" })
    @refetchable(queryName: "mainScanRefetchQuery") {
      scanId
      findings(first: $findings, after: $after) @connection(key: "main_findings") {
        edges { node { id title severity triage { status } } }
      }
    }
  \`, key);
}

export const decide = graphql\`
  mutation mainDecideMutation($input: SetFindingStatusInput!) {
    setFindingStatus(input: $input) { finding { id triage { status reason } } userErrors { code message } }
  }
\`;

export function useProgress(config: any) {
  return useSubscription({ ...config, subscription: graphql\`
    subscription mainProgressSubscription($id: ID!) { scanProgress(id: $id) { id status progress { percent } } }
  \` });
}
`;

await suite(async () => {
  mkdirSync('app/src/__generated__', { recursive: true });
  writeFileSync('app/src/main.ts', SOURCE);
  writeFileSync('app/package.json', '{"name":"app","private":true}');
  writeFileSync('app/relay.config.json', JSON.stringify({ src: './src', schema: '../schema.graphql', language: 'typescript', artifactDirectory: './src/__generated__' }));
  // The compiler asks git which files there are.
  execFileSync('git', ['init', '-q', 'app']);
  let said = '';
  try {
    said = execFileSync('node', ['../node_modules/relay-compiler/cli.js', '--output=verbose'], { cwd: 'app', encoding: 'utf8', stdio: 'pipe' });
    check('the compiler ends with 0', true);
  } catch (error) {
    check('the compiler ends with 0', false, `${error.stdout}${error.stderr}`.slice(-1500));
  }
  const made = readdirSync('app/src/__generated__').filter((name) => name.endsWith('.ts'));
  for (const name of ['mainQuery', 'mainScansPaginationQuery', 'mainScanRefetchQuery', 'main_scans', 'main_scan', 'mainDecideMutation', 'mainProgressSubscription']) {
    check(`${name} is made`, made.includes(`${name}.graphql.ts`), { made, said: said.slice(-300) });
  }
});
