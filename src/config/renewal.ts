/** What a running registry takes of a configuration that was read again, and what it takes only when it is started. */

import { configOf } from './load.ts'
import type { Config } from './schema.ts'
import { copyTree, isTree, type Tree, type TreeValue } from './tree.ts'

/** What of `auth` is put in force while the registry runs. */
const RENEWED = ['rules', 'groups']

const GROUP_PREFIX = 'group:'

/** A configuration that would keep fewer people out than the one in force: it takes a restart, since a file that is cut
 *  off, or was forgotten half-way, looks the same. The message names the keys. */
export class RestartNeededError extends Error {
  override readonly name = 'RestartNeededError'
}

export interface Renewed {
  readonly tree: Tree
  readonly config: Config
  /** Keys of `auth` that are new, and count after a restart. */
  readonly later: readonly string[]
}

/** The configuration in force, with the rules and groups of the next one.
 *  @throws RestartNeededError; z.ZodError when the two do not go together */
export function renewed(inForce: Tree, next: Tree): Renewed {
  const losses = lossesOf(inForce, next)
  if (losses.length > 0) throw new RestartNeededError(`taken away: ${losses.join(', ')}`)
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

/** The keys that keep people out now and would not any more. */
function lossesOf(inForce: Tree, next: Tree): string[] {
  const [before, after] = [sectionOf(inForce.auth), sectionOf(next.auth)]
  const keys = Object.keys(before).filter(
    (key) => after[key] === undefined || (after[key] === null && before[key] !== null),
  )
  return [...keys.map((key) => `auth.${key}`), ...lostGroups(before, after)]
}

/** Groups that are gone though a rule still names them: it may be the one that says what they may not do. */
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
