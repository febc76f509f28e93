// An application on `openid-client`. It speaks JSON lines with the test, whose browser opens the addresses it is told:
// sign-in, refresh, userinfo, introspection, logout, and the errors that the library must recognise.
import { createInterface } from "node:readline"
import * as client from "openid-client"

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const hear = async () => JSON.parse((await lines.next()).value)
const say = value => console.log(JSON.stringify(value))

async function failure(promise) {
  try {
    await promise
  } catch (error) {
    return { kind: error.constructor.name, error: error.error, status: error.status, words: error.error_description }
  }
  return { kind: "none" }
}

const told = await hear()
const config = await client.discovery(
  new URL(told.issuer), told.client_id, { id_token_signed_response_alg: "RS256" },
  client.ClientSecretBasic(told.client_secret))
client.enableNonRepudiationChecks(config)

async function begin(parameters) {
  const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: told.callback, scope: "openid profile offline_access orders:read", state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", ...parameters })
  say({ url: url.href })
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  return [new URL((await hear()).url), checks]
}

const [answer, checks] = await begin({})
const tokens = await client.authorizationCodeGrant(config, answer, checks)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
const introspected = await client.tokenIntrospection(config, refreshed.access_token)
say({
  claims, userinfo, introspected, refreshedSub: refreshed.claims().sub,
  rotated: refreshed.refresh_token !== tokens.refresh_token })

say({ url: client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token, post_logout_redirect_uri: told.bye, state: "bye" }).href })
await hear()

const [silent, silentChecks] = await begin({ prompt: "none" })
say({
  silent: await failure(client.authorizationCodeGrant(config, silent, silentChecks)),
  replayed: await failure(client.authorizationCodeGrant(config, answer, checks)),
  afterwards: await failure(client.refreshTokenGrant(config, refreshed.refresh_token)),
  inactive: await client.tokenIntrospection(config, refreshed.access_token) })
