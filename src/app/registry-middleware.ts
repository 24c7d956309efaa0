import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Config } from '../config/schema.ts'
import { RegistryError } from '../core/errors.ts'
import * as forwarding from '../core/forwarding-registry.ts'
import type { Log } from '../core/log.ts'
import type { MiddlewareContext, RegistryMiddleware, RepositoryMiddleware } from '../core/middleware.ts'
import type { Registry, Repository } from '../core/registry.ts'

type Entry = Config['middleware']['registry'][number]

/** Wraps the registry with the configured modules: the last one is outermost. Repository modules are inside
 *  the registry modules.
 *  @throws Error that begins with the key of the entry's name, if a module can't be loaded or returns
 *    something else */
export async function wrapRegistry(registry: Registry, { middleware }: Config, log: Log): Promise<Registry> {
  let wrapped: Registry = registry
  for (const { key, entry } of enabled('middleware.repository', middleware.repository)) {
    const make = await load<RepositoryMiddleware>(key, entry)
    wrapped = new RegistryOfRepositories(wrapped, (repository) => make(repository, contextOf(entry, log)))
  }
  for (const { key, entry } of enabled('middleware.registry', middleware.registry)) {
    const make = await load<RegistryMiddleware>(key, entry)
    wrapped = await failingAt(key, async () => make(wrapped, contextOf(entry, log)))
    if (typeof wrapped?.repository !== 'function') throw new Error(`${key}: it returned no registry`)
  }
  return wrapped
}

/** Loads each configured module.
 *  @throws Error as `wrapRegistry` */
export async function checkRegistryMiddleware({ middleware }: Config): Promise<void> {
  for (const kind of ['repository', 'registry'] as const) {
    for (const { key, entry } of enabled(`middleware.${kind}`, middleware[kind])) await load(key, entry)
  }
}

/** A registry that wraps each repository once. */
class RegistryOfRepositories extends forwarding.DecoratedRepositories {
  readonly #wrap: (repository: Repository) => Repository

  constructor(registry: Registry, wrap: (repository: Repository) => Repository) {
    super(registry)
    this.#wrap = wrap
  }

  protected override decorate(inner: Repository): Repository {
    return this.#wrap(inner)
  }
}

function enabled(path: string, entries: readonly Entry[]): { key: string; entry: Entry }[] {
  return entries.flatMap((entry, index) => (entry.disabled ? [] : [{ key: `${path}[${index}].name`, entry }]))
}

/** Loads a module. A name that begins with a dot or a slash is a path; any other is a package installed
 *  beside Entrepot. */
async function load<Make>(key: string, { name }: Entry): Promise<Make> {
  const specifier = /^[./]/.test(name) ? pathToFileURL(resolve(name)).href : name
  const { default: make } = await failingAt(key, () => import(specifier))
  if (typeof make !== 'function') throw new Error(`${key}: ${name} has no function as its default export`)
  return make
}

async function failingAt<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    throw new Error(`${key}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

function contextOf({ options }: Entry, log: Log): MiddlewareContext {
  return { options, log, RegistryError, ...forwarding }
}
