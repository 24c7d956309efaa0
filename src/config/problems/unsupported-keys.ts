/** Keys of the schema that are not supported. A key that concerns access or the place of data prevents the
 *  start, because without it the registry would not be the one that was configured. Others give a warning. A
 *  row is removed once its key is supported. */

import { isPublicUrl } from '../schema/http.ts'
import { readFlag } from '../schema/key.ts'
import { isTree, type Tree, type TreeValue, valueAt } from '../tree.ts'
import type { ConfigProblem, ConfigWarning } from './problem.ts'

interface Row {
  path: string
  /** The key in the message, if it is below `path`. */
  at?: string
  why: string
  /** The values that the row applies to. Default: for an error any value, for a warning a value that enables
   *  something. */
  when?: (value: TreeValue) => boolean
}

const REFUSED: readonly Row[] = [
  { path: 'policy.repository.classes', why: 'is not supported: content of every class would be accepted' },
  { path: 'storage.swift', why: 'was removed by Distribution 3 and is not supported', when: isNamed },
  { path: 'storage.oss', why: 'was removed by Distribution 3 and is not supported', when: isNamed },
]

const NOT_SERVED = 'is not supported and has no effect'

const IGNORED: readonly Row[] = [
  { path: 'log.hooks', why: NOT_SERVED },
  { path: 'log.reportcaller', why: NOT_SERVED },
  { path: 'reporting', why: 'was removed by Distribution 3 and has no effect' },
  {
    path: 'compatibility.schema1.signingkeyfile',
    why: 'has no effect: manifests of schema 1 keep their original signatures, and the registry adds none',
  },
  { path: 'storage.tag.concurrencylimit', why: NOT_SERVED },
  {
    path: 'http.debug',
    why: 'has no addr: there is no debug server, and there are no metrics',
    when: (value) => !hasAddress(value) && asksForSomething(value),
  },
  {
    path: 'http.debug',
    why: 'serves /debug/health, /debug/vars and, once prometheus is enabled, metrics; /debug/pprof is not served',
    when: (value) => hasAddress(value) && !hasMetrics(value),
  },
  {
    path: 'http.tls.ciphersuites',
    why: 'names 3DES, which OpenSSL no longer supports: it is ignored',
    when: (value) =>
      Array.isArray(value) && value.some((suite) => typeof suite === 'string' && suite.includes('_3DES_')),
  },
  {
    path: 'http',
    at: 'http.relativeurls',
    why: 'is false without http.host or http.trustedproxies: locations contain the host of the request',
    when: (value) =>
      isTree(value) &&
      readFlag(value.relativeurls) === false &&
      !isPublicUrl(value.host) &&
      (value.trustedproxies === undefined || !isThere(value.trustedproxies)),
  },
  {
    path: 'http.host',
    why: 'is not a URL such as https://registry.example.com and has no effect',
    when: (value) => isThere(value) && !isPublicUrl(value),
  },
]

/** The unsupported keys of a tree. */
export function checkSupport(tree: Tree): { problems: ConfigProblem[]; warnings: ConfigWarning[] } {
  return { problems: matching(REFUSED, tree, isThere), warnings: matching(IGNORED, tree, asksForSomething) }
}

function matching(rows: readonly Row[], tree: Tree, byDefault: (value: TreeValue) => boolean) {
  return rows
    .filter(({ path, when = byDefault }) => {
      const value = valueAt(tree, path.split('.'))
      return value !== undefined && when(value)
    })
    .map(({ path, at = path, why }) => ({ path: at, message: why }))
}

/** A driver counts once it is named. */
function isNamed(): boolean {
  return true
}

/** False for empty values only: an error must not depend on how the value is read. */
function isThere(value: TreeValue): boolean {
  if (Array.isArray(value)) return value.some(isThere)
  return isTree(value) ? Object.values(value).some(isThere) : value !== null && value !== ''
}

/** False for values that are empty or disabled, also by a key of their own. */
function asksForSomething(value: TreeValue): boolean {
  if (Array.isArray(value)) return value.some(asksForSomething)
  if (!isTree(value)) return isThere(value) && readFlag(value) !== false
  if (readFlag(value.enabled) === false || readFlag(value.disabled) === true) return false
  return Object.values(value).some(asksForSomething)
}

function hasAddress(debug: TreeValue): boolean {
  return isTree(debug) && debug.addr !== undefined && isThere(debug.addr)
}

function hasMetrics(debug: TreeValue): boolean {
  return isTree(debug) && readFlag(valueAt(debug, ['prometheus', 'enabled'])) === true
}
