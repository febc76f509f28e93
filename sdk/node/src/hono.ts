/** A guard for Hono. Nothing of Hono is imported. */

import { Guard, type GuardOptions } from "./guard.js"
import type { Verifier } from "./verifier.js"

export { loadToken, type GuardOptions } from "./guard.js"

interface HonoLikeContext {
  readonly req: { readonly raw: { readonly headers: Headers } }
}

/** No request goes on without a proven token; `loadToken(c)` gives it to the routes behind. */
export function requireToken(
  verifier: Verifier, options: GuardOptions = {},
): (c: HonoLikeContext, next: () => Promise<void>) => Promise<Response | undefined> {
  const guard = new Guard(verifier, options)
  return async (c, next) => {
    // Two headers come joined by a comma here, which no token holds: they are refused as not one token.
    const authorization = c.req.raw.headers.get("authorization")
    const admission = await guard.admit(c, authorization === null ? [] : [authorization])
    if ("refused" in admission) {
      const { status, headers, body } = admission.refused
      return new Response(body, { status, headers })
    }
    await next()
    return undefined
  }
}
