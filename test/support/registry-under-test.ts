import { startDistribution } from './distribution-process.ts'
import { startEntrepot } from './entrepot-process.ts'
import type { StartRegistry } from './registry-process.ts'

/** Entrepot; or, with `REGISTRY_UNDER_TEST=distribution`, the registry that the suites themselves are checked against. */
export const startRegistry: StartRegistry =
  process.env.REGISTRY_UNDER_TEST === 'distribution' ? startDistribution : startEntrepot
