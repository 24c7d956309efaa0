import * as z from 'zod'
import {
  catalogTagList,
  discovery,
  manifestList,
  namespaceList,
  repositoryList,
  self,
  tagList,
} from './answers.ts'
import { keyList, newKey, wantedKey } from './key-answers.ts'
import {
  deletion,
  deletionList,
  pullList,
  restoration,
  restoreRequest,
  signatureList,
  tagChanges,
  usageSummary,
} from './lifecycle-answers.ts'
import { mirrorList, operationsSummary } from './operations-answer.ts'

interface OperationDescription {
  readonly summary: string
  /** Default: `get`. */
  readonly method?: 'get' | 'post' | 'delete'
  readonly parameters: readonly string[]
  readonly body?: z.ZodType
  /** Default: 200. */
  readonly status?: number
  /** Absent if it has no body. */
  readonly answer?: z.ZodType
}

const LIST = ['q', 'sort', 'cursor', 'n']
const PAGE = ['cursor', 'n']

/** Paths of the extension API that every registry serves, with the schemas of their answers. */
export const DESCRIPTIONS: Readonly<Record<string, OperationDescription & { readonly answer: z.ZodType }>> = {
  '/v2/_oci/ext/discover': { summary: 'Extensions of the registry', parameters: [], answer: discovery },
  '/v2/{name}/_oci/ext/discover': {
    summary: 'Extensions of a repository',
    parameters: [],
    answer: discovery,
  },
  '/v2/_entrepot/api/openapi': {
    summary: 'This document',
    parameters: [],
    answer: z.looseObject({ openapi: z.literal('3.1.0'), paths: z.record(z.string(), z.unknown()) }),
  },
  '/v2/_entrepot/mirrors': {
    summary: 'Mirrored registries, and how they are',
    parameters: [],
    answer: mirrorList,
  },
  '/v2/_entrepot/catalog/repositories': {
    summary: 'Repositories',
    parameters: [...LIST, 'under'],
    answer: repositoryList,
  },
  '/v2/_entrepot/catalog/namespaces': {
    summary: 'One level of the tree of repositories',
    parameters: ['under'],
    answer: namespaceList,
  },
  '/v2/_entrepot/catalog/tags': {
    summary: 'Tags of all repositories',
    parameters: [...LIST, 'digest'],
    answer: catalogTagList,
  },
  '/v2/_entrepot/user/self': { summary: 'The client', parameters: [], answer: self },
  '/v2/{name}/_entrepot/tags/list': {
    summary: 'Tags of a repository',
    parameters: LIST,
    answer: tagList,
  },
  '/v2/{name}/_entrepot/manifests/list': {
    summary: 'Manifests of a repository',
    parameters: ['cursor', 'n', 'tagged'],
    answer: manifestList,
  },
}

/** The paths that are served if the configuration enables what they are about, and what they say. */
export const OPTIONAL_DESCRIPTIONS: Readonly<
  Record<string, OperationDescription | readonly OperationDescription[]>
> = {
  '/v2/_entrepot/operations/summary': {
    summary: 'How the registry is',
    parameters: [],
    answer: operationsSummary,
  },
  '/v2/_entrepot/user/session': [
    {
      summary: 'Log in with a password',
      method: 'post',
      parameters: [],
      body: z.object({ username: z.string(), password: z.string() }),
      status: 204,
    },
    { summary: 'Log out', method: 'delete', parameters: [], status: 204 },
  ],
  '/v2/_entrepot/user/login': {
    summary: 'Lead to an identity provider',
    parameters: ['provider', 'return'],
    status: 302,
  },
  '/v2/_entrepot/user/callback': {
    summary: 'Come back from an identity provider',
    parameters: ['code', 'state', 'iss', 'error'],
    status: 302,
  },
  '/v2/_entrepot/user/keys': [
    { summary: 'Keys of the client', parameters: [], answer: keyList },
    {
      summary: 'Make a key',
      method: 'post',
      parameters: [],
      body: wantedKey,
      status: 201,
      answer: newKey,
    },
    { summary: 'Revoke a key', method: 'delete', parameters: ['id'], status: 204 },
  ],
  '/v2/{name}/_entrepot/tags/history': {
    summary: 'Changes of tags, the newest first',
    parameters: ['tag', ...PAGE],
    answer: tagChanges,
  },
  '/v2/{name}/_entrepot/trash/list': {
    summary: 'Deletions that can be undone, the newest first',
    parameters: PAGE,
    answer: deletionList,
  },
  '/v2/{name}/_entrepot/trash/restore': {
    summary: 'Undo a deletion, or the move of a tag',
    method: 'post',
    parameters: [],
    body: restoreRequest,
    answer: restoration,
  },
  '/v2/{name}/_entrepot/repository': {
    summary: 'Delete a repository',
    method: 'delete',
    parameters: [],
    status: 202,
    answer: deletion,
  },
  '/v2/{name}/_entrepot/pulls/list': {
    summary: 'Last pulls of manifests, and their number',
    parameters: PAGE,
    answer: pullList,
  },
  '/v2/{name}/_entrepot/usage/summary': {
    summary: 'Space that a repository and its tags use, and quotas',
    parameters: PAGE,
    answer: usageSummary,
  },
  '/v2/{name}/_entrepot/signatures': {
    summary: 'Signatures of a manifest',
    parameters: ['digest'],
    answer: signatureList,
  },
}

function operationOf(
  path: string,
  { summary, parameters, body, status = 200, answer }: OperationDescription,
) {
  const name = path.includes('{name}') ? [{ name: 'name', in: 'path', required: true, schema: TEXT }] : []
  const query = parameters.map((parameter) => ({ name: parameter, in: 'query', schema: TEXT }))
  const error = { content: { 'application/json': { schema: { $ref: '#/components/schemas/Errors' } } } }
  return {
    summary,
    parameters: [...name, ...query],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } },
    }),
    responses: {
      [status]: {
        description: summary,
        ...(answer && { content: { 'application/json': { schema: schemaOf(answer) } } }),
      },
      default: { description: 'An error', ...error },
    },
  }
}

const TEXT = { type: 'string' }

const ERRORS = schemaOf(
  z.object({
    errors: z.array(z.object({ code: z.string(), message: z.string(), detail: z.unknown().optional() })),
  }),
)

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema) as { $schema?: string }
  return rest
}

/** The OpenAPI 3.1 document of the extension API. */
export const openApiDocument = {
  openapi: '3.1.0',
  info: { title: 'Entrepot extension API', version: '1' },
  paths: Object.fromEntries(
    Object.entries({ ...DESCRIPTIONS, ...OPTIONAL_DESCRIPTIONS }).map(([path, described]) => [
      path,
      Object.fromEntries([described].flat().map((one) => [one.method ?? 'get', operationOf(path, one)])),
    ]),
  ),
  components: { schemas: { Errors: ERRORS } },
}
