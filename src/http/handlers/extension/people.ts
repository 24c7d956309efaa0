import * as z from 'zod'
import type { Sessions } from '../../../core/access/sessions.ts'
import { isErrorOf, RegistryError } from '../../../core/errors.ts'
import { errorReply } from '../../reply/errors.ts'
import { originOf, publicPath } from '../../reply/location.ts'
import { emptyReply, type Reply } from '../../reply/reply.ts'
import type { RequestContext } from '../../request-context.ts'
import { readCookie, removeCookie, setCookie } from '../../session/cookies.ts'
import { isSameOrigin } from '../../session/same-origin.ts'
import type { self } from './answers.ts'
import { mayHaveKeys, readJson, sessionOf } from './person.ts'
import { freshReply } from './reply.ts'

const START_PAGE = '/ui/'
const LOGIN_PAGE = '/ui/login'

/** Who the client is, and how it can log in; see docs/api.md. */
export async function getSelf(context: RequestContext): Promise<Reply> {
  const { identity, sessions, settings, index, version } = context
  const session = await sessionOf(context)
  const { kind, name, mayList, mayOperate } = identity
  const providers = sessions?.providers ?? []
  const password = sessions?.havePasswords ?? false
  return freshReply({
    ...{ kind, name, mayList, mayOperate },
    groups: [...(session?.person.groups ?? [])],
    session: session === undefined ? null : { expiresAt: session.expiresAt.toISOString() },
    login: { isPossible: password || providers.length > 0, password, providers: [...providers] },
    keys: mayHaveKeys(context),
    registry: {
      version,
      readOnly: settings.readOnly,
      deleteEnabled: settings.deleteEnabled,
      search: index !== undefined,
    },
  } satisfies z.infer<typeof self>)
}

const login = z.object({ username: z.string().min(1).max(256), password: z.string().min(1).max(4096) })

/** Logs in with a password. */
export async function postSession(context: RequestContext): Promise<Reply> {
  const sessions = requireSessions(context)
  if (!sessions.havePasswords) throw withoutLogin()
  requireSameOrigin(context)
  if (!/^application\/json(?:;|$)/.test(context.request.headers['content-type'] ?? ''))
    throw new RegistryError('REQUEST_INVALID', { message: 'the Content-Type is application/json' })
  const parsed = login.safeParse(await readJson(context))
  if (!parsed.success)
    throw new RegistryError('REQUEST_INVALID', { message: 'username and password are text' })
  context.claimedUser = parsed.data.username
  try {
    const cookie = await sessions.login(parsed.data, context.credentials)
    context.actor = { kind: 'user', name: parsed.data.username }
    return emptyReply(204, { ...NOT_STORED, 'set-cookie': [setCookie('entrepot', cookie, context)] })
  } catch (error) {
    if (!isErrorOf(error, 'UNAUTHORIZED')) throw error
    // Without a challenge: the page asks, not the browser.
    return errorReply(error)
  }
}

/** Logs out. */
export function deleteSession(context: RequestContext): Reply {
  requireSessions(context)
  requireSameOrigin(context)
  return emptyReply(204, { ...NOT_STORED, 'set-cookie': [removeCookie('entrepot', context)] })
}

/** Leads to an identity provider. */
export async function beginLogin(context: RequestContext): Promise<Reply> {
  const { query, settings } = context
  const sessions = requireSessions(context)
  const returnTo = localPath(query.get('return')) ?? `${publicPath(settings)}${START_PAGE}`
  try {
    const { location, cookie } = await sessions.begin(query.get('provider') ?? '', {
      redirectUri: callbackUrl(context),
      returnTo,
    })
    return redirect(location.href, [setCookie('entrepot-login', cookie, context)])
  } catch (error) {
    if (!isErrorOf(error, 'UNAVAILABLE')) throw error
    return redirect(failurePage(context, 'unavailable', returnTo), [])
  }
}

/** Where the identity provider leads back to. */
export async function finishLogin(context: RequestContext): Promise<Reply> {
  const { query } = context
  const sessions = requireSessions(context)
  const current = new URL(`${callbackUrl(context)}?${query}`)
  const result = await sessions.finish(current, readCookie('entrepot-login', context))
  const removed = removeCookie('entrepot-login', context)
  if ('failure' in result) {
    const page = failurePage(context, result.failure, result.returnTo)
    return redirect(page, [removed])
  }
  context.actor = { kind: 'user', name: result.person.name }
  return redirect(result.returnTo, [removed, setCookie('entrepot', result.cookie, context)])
}

const NOT_STORED = { 'cache-control': 'no-store' }

function redirect(location: string, cookies: readonly string[]): Reply {
  return emptyReply(302, {
    ...NOT_STORED,
    location,
    'referrer-policy': 'no-referrer',
    ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
  })
}

function failurePage({ settings }: RequestContext, failure: string, returnTo: string | undefined): string {
  const query = new URLSearchParams({ error: failure, ...(returnTo !== undefined && { return: returnTo }) })
  return `${publicPath(settings)}${LOGIN_PAGE}?${query}`
}

function callbackUrl({ request, settings }: RequestContext): string {
  const origin = originOf(request, settings)
  if (origin === undefined) throw new RegistryError('REQUEST_INVALID', { message: 'the Host is invalid' })
  return `${origin}${publicPath(settings)}/v2/_entrepot/user/callback`
}

/** A path of this host. Undefined for anything that could lead elsewhere. */
function localPath(text: string | null): string | undefined {
  if (!text || text.length > 2_000 || !/^\/(?![/\\])[\x21-\x7e]*$/.test(text) || text.includes('\\'))
    return undefined
  return text
}

function requireSessions({ sessions }: RequestContext): Sessions {
  if (sessions === undefined) throw withoutLogin()
  return sessions
}

function withoutLogin(): RegistryError {
  return new RegistryError('PATH_UNKNOWN', { message: 'people cannot log in here; see auth.login' })
}

function requireSameOrigin({ request, settings }: RequestContext): void {
  if (!isSameOrigin(request, settings))
    throw new RegistryError('DENIED', { message: 'the request does not come from a page of this registry' })
}
