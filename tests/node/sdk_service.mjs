// A service with the Node SDK: told by lines of JSON what to verify, and answers in such lines.
import { createInterface } from "node:readline"
import { Feed, Introspector, OstiaryError, TokenError, Verifier } from "../../sdk/node/dist/index.js"

const told = JSON.parse(process.argv[2])
const client = { clientId: told.client_id, clientSecret: told.client_secret }
const log = words => console.error(words)
const feed = new Feed(told.issuer, { ...client, follower: "node-service", log })
const verifier = new Verifier(told.issuer, told.audience, { feed, log })
const introspector = new Introspector(told.issuer, client)
const asking = new Verifier(told.issuer, told.audience, { feed, introspector, log })
const say = value => console.log(JSON.stringify(value))

async function attempt(token, options, by = verifier) {
  try {
    const { sub, clientId, scope } = await by.verify(token, options)
    return { outcome: "accepted", sub, client_id: clientId, scope }
  } catch (error) {
    if (error instanceof TokenError) return { outcome: error.code, words: error.description }
    if (error instanceof OstiaryError) return { outcome: error.name, words: error.message }
    throw error
  }
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Milliseconds until each of the tokens was refused; null where that took too long. */
async function watch(tokens, withinMs) {
  const began = performance.now(), refused = tokens.map(() => null)
  while (refused.includes(null) && performance.now() < began + withinMs) {
    for (const [place, token] of tokens.entries()) {
      if (refused[place] !== null) continue
      if ((await attempt(token, {})).outcome === "revoked") refused[place] = performance.now() - began
    }
    await pause(2)
  }
  return { refused }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { verify, watch: tokens, sensitivity, introspecting, where } = JSON.parse(line)
  if (verify) say(await attempt(verify, { sensitivity }, introspecting ? asking : verifier))
  else if (tokens) say(await watch(tokens, 5000))
  else if (where) say({ ...feed.position, state: feed.state(), age_s: feed.ageS() })
}
await feed.close()
