/** The configuration before validation: YAML, overlaid with variables. Its maps have no prototype, and no
 *  keys that could name one, so that no input can change built-in objects. */

export type TreeValue = string | number | boolean | null | TreeValue[] | Tree
export interface Tree {
  [key: string]: TreeValue
}

/** The path of a value: keys of maps and indices of lists. */
export type TreePath = readonly (string | number)[]

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/** True for keys that are forbidden everywhere. */
export function isForbiddenKey(key: string): boolean {
  return FORBIDDEN_KEYS.has(key)
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An empty map. */
export function emptyTree(entries: Record<string, TreeValue> = {}): Tree {
  return Object.assign(Object.create(null) as Tree, entries)
}

export interface CopyOptions {
  /** Called for each forbidden key, which is omitted. */
  readonly onForbidden?: (path: TreePath) => void
  /** Called for each value before it is copied; may throw. */
  readonly onValue?: (value: unknown, path: TreePath) => void
}

/** Copies plain data into a tree. */
export function toTree(value: unknown, options: CopyOptions = {}, at: TreePath = []): TreeValue {
  options.onValue?.(value, at)
  if (Array.isArray(value)) return value.map((item, index) => toTree(item, options, [...at, index]))
  if (typeof value !== 'object' || value === null) return (value ?? null) as TreeValue
  const tree = emptyTree()
  for (const [key, child] of Object.entries(value)) {
    if (isForbiddenKey(key)) options.onForbidden?.([...at, key])
    else tree[key] = toTree(child, options, [...at, key])
  }
  return tree
}

export function copyTree(tree: Tree): Tree {
  return toTree(tree) as Tree
}

/** The value at a path. Undefined if there is none. */
export function valueAt(root: TreeValue | undefined, path: TreePath): TreeValue | undefined {
  let value = root
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined
    else value = isTree(value) ? value[step] : undefined
  }
  return value
}

/** Formats a path for messages: `notifications.endpoints[0].url`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('')
}

/** Sets the value at a path and creates maps and lists on the way. A list accepts indices up to its length.
 *  Existing keys match case-insensitively.
 *  @returns false if another value is in the way or a key is forbidden; nothing is changed then */
export function assign(root: Tree, path: TreePath, value: TreeValue): boolean {
  const [step, ...rest] = path
  if (step === undefined) return false
  const slot = slotOf(root, step)
  if (slot === undefined) return false
  if (rest.length === 0) {
    slot.write(value)
    return true
  }
  const existing = slot.read()
  const container = existing ?? (typeof rest[0] === 'number' ? [] : emptyTree())
  if (!assign(container as Tree, rest, value)) return false
  slot.write(container)
  return true
}

function slotOf(container: TreeValue, step: string | number) {
  if (typeof step === 'number') {
    if (!Array.isArray(container) || step > container.length) return undefined
    return slot(container, step)
  }
  if (!isTree(container) || isForbiddenKey(step)) return undefined
  const existing = Object.keys(container).find((key) => key.toLowerCase() === step)
  return slot(container, existing ?? step)
}

function slot<K extends string | number>(container: { [key in K]: TreeValue }, key: K) {
  return {
    read: (): TreeValue | undefined => container[key],
    write: (value: TreeValue): void => {
      container[key] = value
    },
  }
}
