import { KEY_SET_PATH, TOKEN_PATH } from '../../core/access/token-issuer.ts'
import { CATALOG_MODULES, REPOSITORY_MODULES } from '../request/extension-route.ts'
import type { Resource } from '../request/route.ts'

/** The path of each resource with its variable parts in braces: the attribute `http.route`. */
const TEMPLATES: ReadonlyMap<Resource, string> = new Map<Resource, string>([
  ['root', '/'],
  ['livez', '/livez'],
  ['readyz', '/readyz'],
  ['startupz', '/startupz'],
  ['api', '/v2/'],
  ['apiWithoutSlash', '/v2'],
  ['catalog', '/v2/_catalog'],
  ['tags', '/v2/{name}/tags/list'],
  ['manifest', '/v2/{name}/manifests/{reference}'],
  ['blob', '/v2/{name}/blobs/{digest}'],
  ['uploads', '/v2/{name}/blobs/uploads/'],
  ['upload', '/v2/{name}/blobs/uploads/{id}'],
  ['referrers', '/v2/{name}/referrers/{digest}'],
  ['extensions', '/v2/_oci/ext/discover'],
  ['repositoryExtensions', '/v2/{name}/_oci/ext/discover'],
  ['token', TOKEN_PATH],
  ['keySet', KEY_SET_PATH],
  ['page', '/ui/{view}'],
  ...[...CATALOG_MODULES].map(([module, resource]) => [resource, `/v2/_entrepot/${module}`] as const),
  ...[...REPOSITORY_MODULES].map(
    ([module, resource]) => [resource, `/v2/{name}/_entrepot/${module}`] as const,
  ),
])

/** Undefined for a resource that has none; a test looks for those. */
export function routeTemplate(resource: Resource): string | undefined {
  return TEMPLATES.get(resource)
}
