import type * as z from 'zod'
import type { Reply } from '../../reply/reply.ts'
import { CATALOG_MODULES, REPOSITORY_MODULES } from '../../request/extension-route.ts'
import type { RequestContext } from '../../request-context.ts'
import type { discovery } from './answers.ts'
import { freshReply } from './reply.ts'

/** The extensions of the registry. https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md */
export function discoverExtensions(context: RequestContext): Reply {
  return answer(context, [...CATALOG_MODULES.keys()])
}

/** The extensions of a repository. */
export function discoverRepositoryExtensions(context: RequestContext): Reply {
  return answer(context, [...REPOSITORY_MODULES.keys()])
}

/** The OpenAPI document of the extension API. The schemas of all answers are loaded when it is asked for. */
export async function getOpenApi(): Promise<Reply> {
  const { openApiDocument } = await import('./openapi.ts')
  return freshReply(openApiDocument)
}

function answer(context: RequestContext, modules: readonly string[]): Reply {
  return freshReply({
    extensions: [
      {
        name: '_oci',
        description: 'Discovery of extensions',
        url: SPECIFICATION,
        endpoints: ['_oci/ext/discover'],
      },
      {
        name: '_entrepot',
        description: 'Search, lists with details, and people who log in',
        url: context.location(OPEN_API_PATH),
        endpoints: modules.map((module) => `_entrepot/${module}`),
      },
    ],
  } satisfies z.infer<typeof discovery>)
}

const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md'
const OPEN_API_PATH = '/v2/_entrepot/api/openapi'
