/** Reloading: which changes of a configuration a running registry applies, and which need a restart. */

import { configOf } from './load.ts'
import type { Config } from './schema.ts'
import { copyTree, isTree, type Tree, type TreeValue } from './tree.ts'

/** Keys of `auth` that are reloaded. */
const RENEWED = ['rules', 'groups']

const GROUP_PREFIX = 'group:'

/** Rejects a configuration that would restrict access less than the current one. It needs a restart, because
 *  a file that is cut off or incomplete looks the same. The message names the keys. */
export class RestartNeededError extends Error {
  override readonly name = 'RestartNeededError'
}

export interface Renewed {
  readonly tree: Tree
  readonly config: Config
  /** New keys of `auth`, which need a restart. */
  readonly later: readonly string[]
}

/** The current configuration with the rules and groups of the next one.
 *  @throws RestartNeededError; z.ZodError if the two are incompatible */
export function renewed(inForce: Tree, next: Tree): Renewed {
  const losses = lossesOf(inForce, next)
  if (losses.length > 0) throw new RestartNeededError(`removed: ${losses.join(', ')}`)
  const tree = copyTree(inForce)
  const [to, from] = [tree.auth, next.auth]
  if (isTree(to) && isTree(from)) {
    for (const key of RENEWED) if (from[key] !== undefined) to[key] = from[key]
  }
  return { tree, config: configOf(tree), later: additionsOf(inForce, next) }
}

function additionsOf(inForce: Tree, next: Tree): string[] {
  const before = sectionOf(inForce.auth)
  return Object.keys(sectionOf(next.auth))
    .filter((key) => before[key] === undefined && !RENEWED.includes(key))
    .map((key) => `auth.${key}`)
}

/** Keys that restrict access now and no longer would. */
function lossesOf(inForce: Tree, next: Tree): string[] {
  const [before, after] = [sectionOf(inForce.auth), sectionOf(next.auth)]
  const keys = Object.keys(before).filter(
    (key) => after[key] === undefined || (after[key] === null && before[key] !== null),
  )
  return [...keys.map((key) => `auth.${key}`), ...lostGroups(before, after)]
}

/** Removed groups that a rule still names: it may be the rule that denies them something. */
function lostGroups(before: Tree, after: Tree): string[] {
  const named = new Set(listOf(after.rules).flatMap((rule) => listOf(sectionOf(rule).who)))
  const groups = sectionOf(after.groups)
  return Object.keys(sectionOf(before.groups))
    .filter((group) => groups[group] === undefined && named.has(`${GROUP_PREFIX}${group}`))
    .map((group) => `auth.groups.${group}`)
}

function sectionOf(value: TreeValue | undefined): Tree {
  return isTree(value) ? value : {}
}

function listOf(value: TreeValue | undefined): readonly TreeValue[] {
  return Array.isArray(value) ? value : []
}
