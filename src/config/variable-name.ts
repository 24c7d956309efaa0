/** Resolves variables' names. Underscores separate steps, but also occur in keys, so a name is matched
 *  against the keys at each step instead of being split. */

import type { KeyNode } from './problems/schema-keys.ts'

/** Distribution derives the names from Go structs, some of whose fields differ from the keys. */
const GO_SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/^NOTIFICATIONS_EVENTCONFIG(?=_|$)/, 'NOTIFICATIONS_EVENTS'],
  [/^HEALTH_(FILE|HTTP|TCP)CHECKERS(?=_|$)/, 'HEALTH_$1'],
  [/^REDIS_OPTIONS_/, 'REDIS_'],
  [/^LOG_HOOKS_(\d+)_MAILOPTIONS(?=_|$)/, 'LOG_HOOKS_$1_OPTIONS'],
  [/^COMPATIBILITY_SCHEMA1_TRUSTKEY(?=_|$)/, 'COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE'],
]

/** The place in the tree that a name addresses. */
export interface Address {
  path: (string | number)[]
  /** True for a free key, which matches any name. */
  isFree: boolean
}

/** The place that a variable's name, without `REGISTRY_`, addresses. Undefined if there is none. */
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

/** Prefers the longest key: `MAX_RETRIES` is one key, not `retries` in `max`. */
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

/** The rest of the name is the key, except an index of a list entry at its end. */
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
