// GraphQL Code Generator as a library, and TypeScript over what it makes. And graphql-js on the schema itself.
import { codegen } from '@graphql-codegen/core';
import * as operationsPlugin from '@graphql-codegen/typescript-operations';
import * as typescriptPlugin from '@graphql-codegen/typescript';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { buildSchema, introspectionFromSchema, isObjectType, parse, validate, validateSchema } from 'graphql';
import { check, suite } from './common.mjs';

const text = readFileSync('schema.graphql', 'utf8');
const operations = readFileSync('operations.graphql', 'utf8');

await suite(async () => {
  const schema = buildSchema(text);
  check('graphql-js takes the schema', validateSchema(schema).length === 0, validateSchema(schema));
  const bare = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__') || ['Int', 'String', 'Boolean', 'ID', 'Float'].includes(type.name)) continue;
    if (!type.description) bare.push(type.name);
    for (const field of Object.values(type.getFields?.() ?? {})) {
      if (!field.description) bare.push(`${type.name}.${field.name}`);
      for (const argument of field.args ?? []) if (!argument.description) bare.push(`${type.name}.${field.name}(${argument.name})`);
    }
    for (const value of type.getValues?.() ?? []) if (!value.description) bare.push(`${type.name}.${value.name}`);
  }
  check('everything is described', bare.length === 0, bare);
  const document = parse(operations);
  check('the operations fit', validate(schema, document).length === 0, validate(schema, document).map((error) => error.message));
  const used = new Set(operations.match(/\w+/g));
  for (const root of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    const missed = isObjectType(root) ? Object.keys(root.getFields()).filter((name) => !used.has(name)) : ['no root'];
    check(`${root?.name}: every field has an operation`, missed.length === 0, missed);
  }
  const config = { scalars: { DateTime: 'string', UInt64: { input: 'string | number', output: 'string' } }, strictScalars: true };
  const generate = (filename, name, plugin) => codegen({
    schema: parse(text),
    documents: [{ location: 'operations.graphql', document }],
    filename,
    config,
    plugins: [{ [name]: {} }],
    pluginMap: { [name]: plugin },
  });
  writeFileSync('schema.ts', await generate('schema.ts', 'typescript', typescriptPlugin));
  const output = await generate('operations.ts', 'operations', operationsPlugin);
  writeFileSync('operations.ts', output);
  const usage = `import type { ScansQuery, StartScanMutation } from './operations';
import type { Scan } from './schema';
export const isDone = (scan: Pick<Scan, 'status'>): boolean => scan.status === 'COMPLETED';
export const first = (data: ScansQuery): string | undefined => data.scans?.nodes[0]?.scanId;
export const codes = (data: StartScanMutation): string[] => (data.startScan?.userErrors ?? []).map((error) => error.code);
`;
  writeFileSync('usage.ts', usage);
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--moduleResolution', 'bundler', '--module', 'es2022'];
  let said = '';
  try {
    execFileSync('node_modules/.bin/tsc', [...options, 'schema.ts', 'operations.ts', 'usage.ts'], { encoding: 'utf8' });
  } catch (error) {
    said = error.stdout;
  }
  check('TypeScript takes what is generated', said === '' && output.includes('ScansQuery'), said);
  check('introspection of it works', Boolean(introspectionFromSchema(schema)), null);
});
