/** What a variable's name addresses. Underscores separate steps, but some keys have them too, so a name is matched
 *  against the keys that stand at each step instead of being split. */

import type { KeyNode } from './problems/schema-keys.ts'

/** Distribution derives the names from its Go structs, whose fields here and there are called other than the keys. */
const GO_SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/^NOTIFICATIONS_EVENTCONFIG(?=_|$)/, 'NOTIFICATIONS_EVENTS'],
  [/^HEALTH_(FILE|HTTP|TCP)CHECKERS(?=_|$)/, 'HEALTH_$1'],
  [/^REDIS_OPTIONS_/, 'REDIS_'],
  [/^LOG_HOOKS_(\d+)_MAILOPTIONS(?=_|$)/, 'LOG_HOOKS_$1_OPTIONS'],
  [/^COMPATIBILITY_SCHEMA1_TRUSTKEY(?=_|$)/, 'COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE'],
]

/** A place in the tree that a name addresses. */
export interface Address {
  path: (string | number)[]
  /** It is a free key: any name would have addressed one. */
  isFree: boolean
}

/** The place that a variable's name, without its `REGISTRY_`, addresses; undefined if there is none. */
export function resolveName(root: KeyNode, name: string): Address | undefined {
  let plain = name
  for (const [spelling, replacement] of GO_SPELLINGS) plain = plain.replace(spelling, replacement)
  return resolve(root, plain)
}

function resolve(node: KeyNode, name: string): Address | undefined {
  if (node.kind === 'map') return resolveKey(node.keys, name)
  if (node.kind === 'list') return resolveEntry(node.item, name)
  if (node.kind === 'table') return resolveFreeKey(node.value, name)
  return undefined
}

/** The longest key goes first: `MAX_RETRIES` is one key, not `max` with `retries` in it. */
function resolveKey(keys: ReadonlyMap<string, KeyNode>, name: string): Address | undefined {
  const matching = [...keys].filter(([key]) => `${name}_`.startsWith(`${key.toUpperCase()}_`))
  for (const [key, child] of matching.sort(([a], [b]) => b.length - a.length)) {
    const address = within(child, name.slice(key.length + 1), key)
    if (address) return address
  }
  return undefined
}

function resolveEntry(item: KeyNode, name: string): Address | undefined {
  const match = /^(\d{1,6})(?:_(.+))?$/.exec(name)
  return match ? within(item, match[2] ?? '', Number(match[1])) : undefined
}

/** All that is left is the key, unless it ends in the number of an entry of a list. */
function resolveFreeKey(value: KeyNode, name: string): Address | undefined {
  if (name === '') return undefined
  const match = value.kind === 'list' ? /^(.+)_(\d{1,6})$/.exec(name) : null
  const path = match ? [match[1]!.toLowerCase(), Number(match[2])] : [name.toLowerCase()]
  return { path, isFree: true }
}

function within(node: KeyNode, rest: string, step: string | number): Address | undefined {
  const inner = rest === '' ? { path: [], isFree: false } : resolve(node, rest)
  return inner && { ...inner, path: [step, ...inner.path] }
}
