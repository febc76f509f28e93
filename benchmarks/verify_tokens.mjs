// The peer of the verification rows: the same tokens through `jose`. Usage: node verify_tokens.mjs FOLDER_OF_JOSE FILE
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const ROUNDS = 3;
const [folder, file] = process.argv.slice(2);
const { createLocalJWKSet, jwtVerify } = await import(
  pathToFileURL(createRequire(`${folder}/`).resolve('jose')).href
);
const told = JSON.parse(readFileSync(file, 'utf8'));
const keys = createLocalJWKSet(told.jwks);
const rules = {
  issuer: told.issuer,
  audience: told.audience,
  typ: 'at+jwt',
  algorithms: ['ES256', 'RS256'],
  requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
};
for (const token of told.tokens.slice(0, 200)) await jwtVerify(token, keys, rules);
const began = process.cpuUsage();
for (let round = 0; round < ROUNDS; round += 1) {
  for (const token of told.tokens) await jwtVerify(token, keys, rules);
}
const spent = process.cpuUsage(began);
console.log(JSON.stringify({ us: (spent.user + spent.system) / (ROUNDS * told.tokens.length) }));
