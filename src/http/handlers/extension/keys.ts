import * as z from 'zod'
import { ACTIONS } from '../../../core/access/access-controller.ts'
import type { PersonalKey, PersonalKeys } from '../../../core/access/personal-keys.ts'
import { isPlainRepositoryGlob, PLAIN_GLOB_FORM } from '../../../core/access/repository-glob.ts'
import type { Person } from '../../../core/access/sessions.ts'
import { RegistryError } from '../../../core/errors.ts'
import { emptyReply, type Reply } from '../../reply/reply.ts'
import type { RequestContext } from '../../request-context.ts'
import { isSameOrigin } from '../../session/same-origin.ts'
import type { keyList, newKey } from './key-answers.ts'
import { readJson, sessionOf } from './person.ts'
import { freshReply } from './reply.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const STANDARD_DAYS = 90
const MAX_GLOBS = 20

const wanted = z.strictObject({
  // No control characters: the name is shown to people.
  name: z
    .string()
    .trim()
    .regex(/^[^\p{C}]{1,64}$/u, 'name has 1 to 64 characters'),
  days: z.int().min(1).optional(),
  repositories: z
    .array(z.string().refine(isPlainRepositoryGlob, `each of repositories is ${PLAIN_GLOB_FORM}`))
    .min(1)
    .max(MAX_GLOBS)
    .default(['**']),
  actions: z
    .array(z.enum([...ACTIONS, '*']))
    .min(1)
    .max(MAX_GLOBS)
    .default(['*']),
})

/** The keys of the client; see docs/api.md. */
export async function listKeys(context: RequestContext): Promise<Reply> {
  const { keys, owner } = await keysAndOwner(context)
  const listed = await keys.list(owner)
  return freshReply({ keys: listed.map(shown) } satisfies z.infer<typeof keyList>)
}

/** Makes a key. Its secret is in this answer only. */
export async function createKey(context: RequestContext): Promise<Reply> {
  const { keys, owner } = await keysAndOwner(context)
  requireOwnPage(context)
  requireWritable(context)
  if (!/^application\/json(?:;|$)/.test(context.request.headers['content-type'] ?? ''))
    throw new RegistryError('REQUEST_INVALID', { message: 'the Content-Type is application/json' })
  const parsed = wanted.safeParse(await readJson(context))
  if (!parsed.success) throw invalid(parsed.error)
  const { days, ...rest } = parsed.data
  const maxDays = Math.floor(keys.maxLifetimeMs / DAY_MS)
  if (days !== undefined && days > maxDays)
    throw new RegistryError('REQUEST_INVALID', { message: `days is at most ${maxDays}` })
  const lifetimeMs = (days ?? Math.min(STANDARD_DAYS, maxDays)) * DAY_MS
  const { key, secret } = await keys.create(owner, { ...rest, lifetimeMs })
  context.changedKey = key.id
  return freshReply({ key: shown(key), secret } satisfies z.infer<typeof newKey>, 201)
}

/** Revokes a key: `?id=`. */
export async function deleteKey(context: RequestContext): Promise<Reply> {
  const { keys, owner } = await keysAndOwner(context)
  requireOwnPage(context)
  requireWritable(context)
  const id = context.query.get('id') ?? ''
  if (!(await keys.revoke(owner, id)))
    throw new RegistryError('PATH_UNKNOWN', { message: 'there is no such key' })
  context.changedKey = id
  return emptyReply(204, { 'cache-control': 'no-store' })
}

async function keysAndOwner(context: RequestContext): Promise<{ keys: PersonalKeys; owner: Person }> {
  const { keys, identity } = context
  if (keys === undefined)
    throw new RegistryError('PATH_UNKNOWN', { message: 'people cannot make keys here; see auth.keys' })
  const owner = (await sessionOf(context))?.person ?? keys.ownerOf(identity.name)
  if (owner?.name !== identity.name) throw new RegistryError('DENIED')
  return { keys, owner }
}

/** Browsers send passwords that they remember by themselves, as they do cookies. */
function requireOwnPage({ request, settings }: RequestContext): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  if ((origin === undefined && site === undefined) || isSameOrigin(request, settings)) return
  throw new RegistryError('DENIED', { message: 'the request does not come from a page of this registry' })
}

function requireWritable({ settings }: RequestContext): void {
  if (settings.readOnly) throw new RegistryError('UNSUPPORTED', { message: 'the registry is read-only' })
}

function invalid({ issues: [issue] }: z.ZodError): RegistryError {
  const message = `${issue?.path.join('.') || 'the body'}: ${issue?.message}`
  return new RegistryError('REQUEST_INVALID', { message })
}

function shown({ createdAt, expiresAt, lastUsedAt, repositories, actions, ...rest }: PersonalKey) {
  return {
    ...rest,
    repositories: [...repositories],
    actions: [...actions],
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}
