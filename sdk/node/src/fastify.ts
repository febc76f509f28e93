/** A guard for Fastify, as an `onRequest` hook of one route or of all. Nothing of Fastify is imported. */

import { Guard, headerValues, type GuardOptions } from "./guard.js"
import type { Verifier } from "./verifier.js"

export { loadToken, type GuardOptions } from "./guard.js"

interface FastifyLikeRequest {
  readonly raw: { readonly rawHeaders: string[] }
}

interface FastifyLikeReply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(body: string): unknown
}

/** No request goes on without a proven token; `loadToken(request)` gives it to the routes behind. */
export function requireToken(
  verifier: Verifier, options: GuardOptions = {},
): (request: FastifyLikeRequest, reply: FastifyLikeReply) => Promise<unknown> {
  const guard = new Guard(verifier, options)
  return async (request, reply) => {
    const admission = await guard.admit(request, headerValues(request.raw.rawHeaders, "authorization"))
    if ("token" in admission) return undefined
    reply.code(admission.refused.status)
    reply.headers(admission.refused.headers)
    reply.send(admission.refused.body)
    // The hook's way to say that the request was answered.
    return reply
  }
}
