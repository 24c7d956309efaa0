/** Paths of the extension API. OCI Distribution Specification, "Extensions": `_<extension>/<component>/<module>`. */

/** The modules of the registry, below `/v2/_entrepot/`. */
export const CATALOG_MODULES = new Map([
  ['api/openapi', 'openApi'],
  ['mirrors', 'mirrors'],
  ['operations/summary', 'operations'],
  ['catalog/repositories', 'catalogRepositories'],
  ['catalog/namespaces', 'catalogNamespaces'],
  ['catalog/tags', 'catalogTags'],
  ['user/self', 'self'],
  ['user/session', 'session'],
  ['user/keys', 'keys'],
  ['user/login', 'login'],
  ['user/callback', 'loginCallback'],
] as const)

/** The modules of a repository, below `/v2/<name>/_entrepot/`. */
export const REPOSITORY_MODULES = new Map([
  ['tags/list', 'tagDetails'],
  ['manifests/list', 'manifestDetails'],
  ['signatures', 'signatures'],
  ['tags/history', 'tagHistory'],
  ['trash/list', 'trash'],
  ['trash/restore', 'restore'],
  ['pulls/list', 'pulls'],
  ['usage/summary', 'usage'],
  ['repository', 'repository'],
] as const)

type ValueOf<M> = M extends ReadonlyMap<string, infer Value> ? Value : never

export type CatalogModule = ValueOf<typeof CATALOG_MODULES>
export type RepositoryModule = ValueOf<typeof REPOSITORY_MODULES>

/** No component of a repository's name begins with `_`. */
const OWN = '/_entrepot/'
const DISCOVERY = '/_oci/ext/discover'

export interface ExtensionRoute {
  readonly resource: CatalogModule | RepositoryModule | 'extensions' | 'repositoryExtensions'
  /** The repository's name. Undefined for modules of the registry. */
  readonly name?: string
}

/** Parses a path without its prefix `/v2`. Undefined if it is none of the extension API. */
export function parseExtensionRoute(path: string): ExtensionRoute | undefined {
  if (path === DISCOVERY) return { resource: 'extensions' }
  if (path.endsWith(DISCOVERY))
    return { resource: 'repositoryExtensions', name: path.slice(1, -DISCOVERY.length) }
  const own = path.indexOf(OWN)
  if (own === -1) return undefined
  const module = path.slice(own + OWN.length)
  const resource = own === 0 ? find(CATALOG_MODULES, module) : find(REPOSITORY_MODULES, module)
  if (resource === undefined) return undefined
  return own === 0 ? { resource } : { resource, name: path.slice(1, own) }
}

function find<Value>(modules: ReadonlyMap<string, Value>, module: string): Value | undefined {
  return modules.get(module)
}
