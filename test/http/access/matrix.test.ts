/** Every method of every resource, asked by everybody: who is let in stands here a second time, by hand. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Method, Resource } from '../../../src/http/request/route.ts'
import { operations } from '../../../src/http/routes.ts'
import { basic, bearer, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { type Answer, refusal } from '../../support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const people = [
  ...(['anonymous', 'nobody', 'puller', 'pusher', 'tagger', 'deleter', 'curator', 'everything'] as const),
] as const
type Person = (typeof people)[number]

const rules = [
  rule('a', 'puller', 'pull'),
  rule('a', 'pusher', 'push'),
  rule('a', 'tagger', 'tag'),
  rule('a', 'deleter', 'delete'),
  rule('a', 'curator', 'push', 'delete'),
  rule('a', 'everything', '*'),
]

const digest = `sha256:${'0'.repeat(64)}`
const paths: Record<Resource, string> = {
  root: '/',
  livez: '/livez',
  readyz: '/readyz',
  startupz: '/startupz',
  api: '/v2/',
  apiWithoutSlash: '/v2',
  catalog: '/v2/_catalog',
  tags: '/v2/a/tags/list',
  manifest: '/v2/a/manifests/x',
  blob: `/v2/a/blobs/${digest}`,
  uploads: '/v2/a/blobs/uploads/',
  upload: '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000',
  referrers: `/v2/a/referrers/${digest}`,
  signatures: `/v2/a/_entrepot/signatures/${digest}`,
  tagHistory: '/v2/a/_entrepot/tags/history',
  trash: '/v2/a/_entrepot/trash/list',
  pulls: '/v2/a/_entrepot/pulls/list',
  usage: '/v2/a/_entrepot/usage/summary',
  restore: '/v2/a/_entrepot/trash/restore',
  repository: '/v2/a/_entrepot/repository',
  operations: '/v2/_entrepot/operations/summary',
  mirrors: '/v2/_entrepot/mirrors',
  extensions: '/v2/_oci/ext/discover',
  repositoryExtensions: '/v2/a/_oci/ext/discover',
  openApi: '/v2/_entrepot/api/openapi',
  catalogRepositories: '/v2/_entrepot/catalog/repositories',
  catalogNamespaces: '/v2/_entrepot/catalog/namespaces',
  catalogTags: '/v2/_entrepot/catalog/tags',
  self: '/v2/_entrepot/user/self',
  session: '/v2/_entrepot/user/session',
  keys: '/v2/_entrepot/user/keys',
  login: '/v2/_entrepot/user/login',
  loginCallback: '/v2/_entrepot/user/callback',
  tagDetails: '/v2/a/_entrepot/tags/list',
  manifestDetails: '/v2/a/_entrepot/manifests/list',
  token: '/auth/token',
  keySet: '/auth/jwks',
  page: '/ui/',
}

const known: readonly Person[] = people.filter((person) => person !== 'anonymous')
const pull: readonly Person[] = ['puller', 'everything']
const pullOrPush: readonly Person[] = ['puller', 'pusher', 'curator', 'everything']
const push: readonly Person[] = ['pusher', 'curator', 'everything']
const pushOrTag: readonly Person[] = ['pusher', 'tagger', 'curator', 'everything']
const remove: readonly Person[] = ['deleter', 'curator', 'everything']
const pushAndDelete: readonly Person[] = ['curator', 'everything']

const letIn: Record<Resource, Partial<Record<Method, readonly Person[]>>> = {
  root: { GET: people, HEAD: people },
  livez: { GET: people, HEAD: people },
  readyz: { GET: people, HEAD: people },
  startupz: { GET: people, HEAD: people },
  api: { GET: known, HEAD: known },
  apiWithoutSlash: { GET: people, HEAD: people },
  catalog: { GET: known, HEAD: known },
  tags: { GET: pull, HEAD: pull },
  manifest: { GET: pull, HEAD: pullOrPush, PUT: pushOrTag, DELETE: remove },
  blob: { GET: pull, HEAD: pullOrPush, DELETE: remove },
  uploads: { POST: push },
  upload: { GET: push, HEAD: push, PATCH: push, PUT: push, DELETE: push },
  referrers: { GET: pull, HEAD: pull },
  signatures: { GET: pull, HEAD: pull },
  tagHistory: { GET: pull, HEAD: pull },
  trash: { GET: pull, HEAD: pull },
  pulls: { GET: pull, HEAD: pull },
  usage: { GET: pull, HEAD: pull },
  restore: { POST: pushAndDelete },
  repository: { DELETE: remove },
  operations: { GET: ['everything'], HEAD: ['everything'] },
  mirrors: { GET: known, HEAD: known },
  extensions: { GET: known, HEAD: known },
  repositoryExtensions: { GET: pull, HEAD: pull },
  openApi: { GET: known, HEAD: known },
  catalogRepositories: { GET: known, HEAD: known },
  catalogNamespaces: { GET: known, HEAD: known },
  catalogTags: { GET: known, HEAD: known },
  self: { GET: people, HEAD: people },
  session: { POST: people, DELETE: people },
  keys: { GET: known, HEAD: known, POST: known, DELETE: known },
  login: { GET: people },
  loginCallback: { GET: people },
  tagDetails: { GET: pull, HEAD: pull },
  manifestDetails: { GET: pull, HEAD: pull },
  token: { GET: known, POST: people },
  keySet: { GET: people, HEAD: people },
  page: { GET: people, HEAD: people },
}

const resources = Object.keys(operations) as Resource[]
const methods: readonly Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const cells = resources.flatMap((resource) => methods.map((method) => ({ resource, method })))

let folder: TemporaryFolder
let basicOnly: GuardedRegistry
let withIssuer: GuardedRegistry
beforeAll(async () => {
  folder = await temporaryFolder()
  basicOnly = await GuardedRegistry.start({ users: known, auth: { rules, operators: ['everything'] } })
  withIssuer = await GuardedRegistry.start({
    users: known,
    auth: { rules, operators: ['everything'], issuer: issuerSettings(folder.path) },
  })
})
afterAll(async () => {
  await basicOnly[Symbol.asyncDispose]()
  await withIssuer[Symbol.asyncDispose]()
  await folder.remove()
})

/** An error about the request itself, whoever sent it. */
const isAboutContent = ({ status }: Answer) => status !== 401 && status !== 403

test('every operation is in the matrix, and nothing else', () => {
  for (const resource of resources) {
    expect(Object.keys(letIn[resource]), resource).toEqual(Object.keys(operations[resource]))
  }
})

describe.each(cells)('$method $resource', ({ resource, method }) => {
  const allowed = letIn[resource][method]
  const isOpen =
    operations[resource][method]?.access === 'probe' ||
    operations[resource][method]?.access === 'open' ||
    operations[resource][method]?.access === 'anybody'

  test.each(people)('by %s, with a password', async (person) => {
    const headers = person === 'anonymous' ? {} : basic(person)
    const answer = await basicOnly.registry.send(`${method} ${paths[resource]}`, { headers })
    if (allowed === undefined) expect(answer.status).toBe(405)
    else if (['token', 'keySet', 'session', 'login', 'loginCallback'].includes(resource))
      expect(answer.status).toBe(404)
    else if (allowed.includes(person))
      expect([answer.status, isAboutContent(answer)]).toEqual([answer.status, true])
    else if (person === 'anonymous') {
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Basic realm="the test"')
      if (method !== 'HEAD') expect(refusal(answer)).toBe('401 UNAUTHORIZED')
    } else {
      expect(answer.status).toBe(403)
      expect(answer.headers['www-authenticate']).toBeUndefined()
      if (method !== 'HEAD') expect(refusal(answer)).toBe('403 DENIED')
    }
  })

  // Keys are made with a password or in a session; their own suite has the rest.
  if (isOpen || allowed === undefined || resource === 'keys') return

  test.each(known)('by %s, with a token', async (person) => {
    const token = await withIssuer.token(person, 'repository:a:*', 'registry:catalog:*')
    const headers = bearer(token)
    const answer = await withIssuer.registry.send(`${method} ${paths[resource]}`, { headers })
    if (allowed.includes(person))
      expect([answer.status, isAboutContent(answer)]).toEqual([answer.status, true])
    else {
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm=.*,error="insufficient_scope"$/)
    }
  })

  test('with a token that lists nothing', async () => {
    const headers = bearer(await withIssuer.token('everything'))
    const answer = await withIssuer.registry.send(`${method} ${paths[resource]}`, { headers })
    expect(answer.status).toBe(resource === 'api' ? 200 : 401)
  })
})

test.each(['everything', 'nobody'])('%s has no rights to another repository', async (person) => {
  for (const { resource, method } of cells) {
    if (letIn[resource][method] === undefined || !paths[resource].startsWith('/v2/a/')) continue
    const path = paths[resource].replace('/v2/a/', '/v2/b/')
    const { status } = await basicOnly.registry.send(`${method} ${path}`, { headers: basic(person) })
    expect([method, path, status]).toEqual([method, path, 403])
  }
})
