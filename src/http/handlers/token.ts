import type { IssuedToken, TokenGrant, TokenIssuer, TokenRequest } from '../../core/access/token-issuer.ts'
import { RegistryError } from '../../core/errors.ts'
import { errorReply } from '../reply/errors.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { readBody } from '../request/body.ts'
import type { RequestContext } from '../request-context.ts'

/** Size limit of a form, with room for a token. */
const MAX_FORM_BYTES = 64 * 1024

/** Tokens may not be cached. RFC 6749 section 5.1. */
const UNCACHED = { 'cache-control': 'no-store' }

/** The Docker token protocol: the password in Basic, the requested scopes in the query.
 *  https://distribution.github.io/distribution/spec/auth/token/ */
export async function getToken(context: RequestContext): Promise<Reply> {
  const { query, request } = context
  const issued = await issue(context, query, {
    grant: { kind: 'header', authorization: request.headers.authorization },
    offline: query.get('offline_token') === 'true',
  })
  if (!('token' in issued)) return issued
  const { token, issuedAt, lifetimeSeconds, refreshToken } = issued
  const answer = {
    token,
    access_token: token,
    expires_in: lifetimeSeconds,
    issued_at: issuedAt.toISOString(),
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  }
  return jsonReply(200, answer, UNCACHED)
}

/** OAuth2: exchanges a password, a refresh token or another issuer's token for a token. RFC 6749 sections 4.3
 *  and 6, RFC 7523 section 2.1, RFC 8693. https://distribution.github.io/distribution/spec/auth/oauth/ */
export async function postToken(context: RequestContext): Promise<Reply> {
  const form = await readForm(context)
  const grant = grantOf(form)
  if (grant.kind === 'password') context.claimedUser = grant.username
  const issued = await issue(context, form, {
    grant,
    offline: form.get('access_type') === 'offline',
  })
  if (!('token' in issued)) return issued
  const { token, issuedAt, lifetimeSeconds, scope, refreshToken } = issued
  const answer = {
    access_token: token,
    token_type: 'Bearer',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    expires_in: lifetimeSeconds,
    issued_at: issuedAt.toISOString(),
    scope,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  }
  return jsonReply(200, answer, UNCACHED)
}

/** The public keys that verify the registry's tokens. */
export function getKeySet(context: RequestContext): Reply {
  const reply = jsonReply(200, requireIssuer(context).keySet())
  return context.isHead ? { ...reply, body: undefined } : reply
}

function requireIssuer({ issuer }: RequestContext): TokenIssuer {
  if (issuer === undefined) throw new RegistryError('PATH_UNKNOWN')
  return issuer
}

/** The issued token, or a 401 that asks for a password. */
async function issue(
  context: RequestContext,
  parameters: URLSearchParams,
  asked: Pick<TokenRequest, 'grant' | 'offline'>,
): Promise<IssuedToken | Reply> {
  const issuer = requireIssuer(context)
  try {
    const issued = await issuer.issue({
      ...asked,
      service: parameters.get('service') ?? undefined,
      scopes: parameters.getAll('scope'),
      client: context.credentials,
    })
    context.actor = issued
    return issued
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED') throw error
    const refused = errorReply(error)
    return { ...refused, headers: { ...refused.headers, 'www-authenticate': 'Basic realm="entrepot"' } }
  }
}

async function readForm(context: RequestContext): Promise<URLSearchParams> {
  requireIssuer(context)
  const tooLarge = () => new RegistryError('BLOB_TOO_LARGE', { message: 'the form is too large' })
  const bytes = await readBody(context.body(), { maxBytes: MAX_FORM_BYTES, tooLarge })
  return new URLSearchParams(Buffer.from(bytes).toString())
}

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

function grantOf(form: URLSearchParams): TokenGrant {
  const value = (name: string) => form.get(name) ?? ''
  switch (form.get('grant_type')) {
    case 'password':
      return { kind: 'password', username: value('username'), password: value('password') }
    case 'refresh_token':
      return { kind: 'refresh', token: value('refresh_token') }
    case TOKEN_EXCHANGE:
      return { kind: 'exchange', token: value('subject_token') }
    case JWT_BEARER:
      return { kind: 'exchange', token: value('assertion') }
    default:
      throw new RegistryError('REQUEST_INVALID', {
        message: 'grant_type is one of password, refresh_token, …:token-exchange and …:jwt-bearer',
      })
  }
}
