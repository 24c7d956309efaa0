import { z } from 'zod'
import type { Reply } from '../../reply/reply.ts'
import {
  catalogTagList,
  discovery,
  manifestList,
  namespaceList,
  repositoryList,
  self,
  tagList,
} from './answers.ts'
import { freshReply } from './reply.ts'

interface OperationDescription {
  readonly summary: string
  readonly parameters: readonly string[]
  readonly answer: z.ZodType
}

const LIST = ['q', 'sort', 'cursor', 'n']

/** Every path of the extension API with the schema of its answer. */
export const DESCRIPTIONS: Readonly<Record<string, OperationDescription>> = {
  '/v2/_oci/ext/discover': { summary: 'Extensions of the registry', parameters: [], answer: discovery },
  '/v2/{name}/_oci/ext/discover': {
    summary: 'Extensions of a repository',
    parameters: [],
    answer: discovery,
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

/** The OpenAPI 3.1 document of the extension API. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: { title: 'Entrepot extension API', version: '1' },
    paths: Object.fromEntries(
      Object.entries(DESCRIPTIONS).map(([path, description]) => [
        path,
        { get: operationOf(path, description) },
      ]),
    ),
    components: { schemas: { Errors: ERRORS } },
  }
}

let document: object | undefined

/** Made at the first request. */
export function getOpenApi(): Reply {
  document ??= openApiDocument()
  return freshReply(document)
}

function operationOf(path: string, { summary, parameters, answer }: OperationDescription) {
  const name = path.includes('{name}') ? [{ name: 'name', in: 'path', required: true, schema: TEXT }] : []
  const query = parameters.map((parameter) => ({ name: parameter, in: 'query', schema: TEXT }))
  const error = { content: { 'application/json': { schema: { $ref: '#/components/schemas/Errors' } } } }
  return {
    summary,
    parameters: [...name, ...query],
    responses: {
      200: { description: summary, content: { 'application/json': { schema: schemaOf(answer) } } },
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
