/** The answers of the extension API. The OpenAPI document is made of these schemas. */
import * as z from 'zod'

const time = z.iso.datetime({ precision: 3 }).nullable()
const size = z.number().int().nonnegative().nullable()
export const digest = z.string().regex(/^sha(?:256|512):[0-9a-f]+$/)
export const next = z.string().nullable()

export const indexState = z.strictObject({
  search: z.boolean(),
  complete: z.boolean(),
  asOf: time,
})

export const repositoryList = z.strictObject({
  repositories: z.array(
    z.strictObject({
      name: z.string(),
      tags: z.number().int().nonnegative().nullable(),
      newestTag: z.string().nullable(),
      pushedAt: time,
      size,
      pulls: z.number().int().nonnegative().nullable(),
      lastPulledAt: time,
    }),
  ),
  next,
  index: indexState,
})

export const namespaceList = z.strictObject({
  namespaces: z.array(
    z.strictObject({ name: z.string(), repositories: z.number().int(), isRepository: z.boolean() }),
  ),
  index: indexState,
})

const summary = {
  digest,
  mediaType: z.string(),
  artifactType: z.string().nullable(),
  platforms: z.array(z.string()),
  createdAt: time,
  size,
}

const tag = { name: z.string(), ...summary, pushedAt: time }

export const catalogTagList = z.strictObject({
  tags: z.array(z.strictObject({ repository: z.string(), ...tag })),
  next,
  index: indexState,
})

export const action = z.enum(['pull', 'push', 'delete', 'tag'])

export const tagList = z.strictObject({
  name: z.string(),
  actions: z.array(action),
  tags: z.array(z.strictObject(tag)),
  next,
  index: indexState,
})

export const manifestList = z.strictObject({
  name: z.string(),
  manifests: z.array(
    z.strictObject({
      ...summary,
      subject: digest.nullable(),
      tags: z.array(z.string()),
      parents: z.array(digest),
    }),
  ),
  next,
})

export const discovery = z.strictObject({
  extensions: z.array(
    z.strictObject({
      name: z.string(),
      description: z.string(),
      url: z.string(),
      endpoints: z.array(z.string()),
    }),
  ),
})

export const self = z.strictObject({
  kind: z.enum(['anonymous', 'user', 'robot']),
  name: z.string(),
  groups: z.array(z.string()),
  session: z.strictObject({ expiresAt: z.iso.datetime() }).nullable(),
  mayList: z.boolean(),
  mayOperate: z.boolean(),
  login: z.strictObject({
    isPossible: z.boolean(),
    password: z.boolean(),
    providers: z.array(z.strictObject({ id: z.string(), name: z.string() })),
  }),
  keys: z.boolean(),
  registry: z.strictObject({
    version: z.string(),
    readOnly: z.boolean(),
    deleteEnabled: z.boolean(),
    search: z.boolean(),
  }),
})
