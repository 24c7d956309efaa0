/** The keys of the schema, for hints on mistyped keys and for variables' names. Derived from the schema
 *  alone. */

import type * as z from 'zod'
import { nearest } from '../../lib/nearest.ts'
import { isTree, type TreeValue } from '../tree.ts'

/** A node of the schema: a map of known keys, a list, a table of free keys, or a value. */
export type KeyNode =
  | { kind: 'map'; keys: ReadonlyMap<string, KeyNode> }
  | { kind: 'list'; item: KeyNode }
  | { kind: 'table'; value: KeyNode }
  | { kind: 'value' }

interface Definition {
  type: string
  shape?: Record<string, z.ZodType>
  element?: z.ZodType
  valueType?: z.ZodType
  innerType?: z.ZodType
  in?: z.ZodType
  out?: z.ZodType
}

/** The keys below a schema. */
export function keysOf(schema: z.ZodType): KeyNode {
  const definition = schema.def as unknown as Definition
  switch (definition.type) {
    case 'object':
      return { kind: 'map', keys: new Map(Object.entries(definition.shape!).map(([k, s]) => [k, keysOf(s)])) }
    case 'array':
      return { kind: 'list', item: keysOf(definition.element!) }
    case 'record':
      return { kind: 'table', value: keysOf(definition.valueType!) }
    case 'pipe':
      return keysOf(isTransform(definition.in!) ? definition.out! : definition.in!)
    case 'optional':
      return keysOf(definition.innerType!)
    default:
      return { kind: 'value' }
  }
}

function isTransform(schema: z.ZodType): boolean {
  return (schema.def.type as string) === 'transform'
}

/** The node at a path. Undefined if the schema has none. */
export function nodeAt(root: KeyNode, path: readonly PropertyKey[]): KeyNode | undefined {
  let node: KeyNode | undefined = root
  for (const step of path) {
    if (node?.kind === 'map') node = node.keys.get(String(step))
    else if (node?.kind === 'list') node = node.item
    else if (node?.kind === 'table') node = node.value
    else return undefined
  }
  return node
}

/** Removes keys that begin with `x-`, which hold YAML anchors. Free keys, such as header names, are kept. */
export function removeExtensions(value: TreeValue, node: KeyNode | undefined): void {
  if (Array.isArray(value)) {
    for (const item of value) removeExtensions(item, node?.kind === 'list' ? node.item : undefined)
  } else if (isTree(value) && node?.kind === 'map') {
    for (const [key, child] of Object.entries(value)) {
      if (/^x-/i.test(key)) delete value[key]
      else removeExtensions(child, node.keys.get(key))
    }
  }
}

/** Every path to a value, with list entries as 0 and free keys as `*`. */
export function* pathsOf(node: KeyNode, at: readonly string[] = []): Generator<readonly string[]> {
  if (at.length > 0) yield at
  if (node.kind === 'map') for (const [key, child] of node.keys) yield* pathsOf(child, [...at, key])
  else if (node.kind === 'list') yield* pathsOf(node.item, [...at, '0'])
  else if (node.kind === 'table') yield* pathsOf(node.value, [...at, '*'])
}

/** The key that an unknown one may mean: a similar key of the same map, otherwise the same key elsewhere. */
export function suggestKey(root: KeyNode, path: readonly PropertyKey[]): string | undefined {
  const parent = nodeAt(root, path.slice(0, -1))
  const key = String(path.at(-1))
  const sibling = parent?.kind === 'map' ? nearest(key, parent.keys.keys()) : undefined
  if (sibling !== undefined) return sibling
  const elsewhere = pathsOf(root).find((known) => known.at(-1) === key.toLowerCase())
  return elsewhere?.join('.')
}
