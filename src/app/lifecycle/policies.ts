import type { Config } from '../../config/schema.ts'
import type { Registry } from '../../core/registry.ts'
import { type ImmutableTagsOptions, ImmutableTagsRegistry } from '../../lifecycle/immutable/registry.ts'

/** Wraps the registry with the configured policies.
 *  @param storage where the processes that share it agree */
export function applyPolicies(
  registry: Registry,
  { policies }: Config,
  storage: ImmutableTagsOptions['storage'],
): Registry {
  const { immutable } = policies
  return immutable.length === 0
    ? registry
    : new ImmutableTagsRegistry(registry, { rules: immutable, storage })
}
