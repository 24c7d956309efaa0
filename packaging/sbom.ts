/** The software bill of materials of the bundle, in CycloneDX 1.6: the packages whose code it holds.
 *  https://cyclonedx.org/docs/1.6/json/ */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The fields of `package.json` that are read here. */
interface PackageManifest {
  readonly name?: string
  readonly version?: string
  readonly license?: string
  readonly description?: string
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>
}

export interface SbomOptions {
  /** The product itself. */
  readonly product: Required<PackageManifest>
  /** The files that the bundle is made of, relative to the folder of the project. */
  readonly files: Iterable<string>
  /** The folder of the project, with its `package-lock.json`. */
  readonly root: string
}

/** It has neither a time nor a serial number, so that the same bundle has the same bytes. */
export function sbomOf({ product, files, root }: SbomOptions): object {
  const lock: LockFile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const folders = new Set([...files].flatMap((file) => packageFolder(resolve(root, file)) ?? []))
  const components = [...folders].map((folder) => componentOf(folder, { root, lock }))
  const byPurl = new Map(components.map((component) => [component.purl, component]))
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: { type: 'application', ...described(product) },
    },
    components: [...byPurl.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  }
}

function componentOf(folder: string, { root, lock }: { root: string; lock: LockFile }) {
  const manifest = manifestOf(folder)
  const integrity = lock.packages[folder.slice(root.length + 1)]?.integrity ?? integrityOf(manifest, lock)
  return { type: 'library', ...described(manifest), ...hashOf(integrity) }
}

function described({ name = '', version = '', license, description }: PackageManifest) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return {
    'bom-ref': purl,
    name,
    version,
    ...(description !== undefined && { description }),
    ...(license !== undefined && { licenses: [licenseOf(license)] }),
    purl,
  }
}

/** An identifier of SPDX, or an expression of several. */
function licenseOf(license: string): object {
  return /[ ()]/.test(license) ? { expression: license } : { license: { id: license } }
}

/** Of a package for another processor, which is downloaded apart from the others. */
function integrityOf({ name }: PackageManifest, { packages }: LockFile): string | undefined {
  return packages[`node_modules/${name}`]?.integrity
}

/** Of the package's archive in the registry of npm. */
function hashOf(integrity: string | undefined): object {
  const [, content] = /^sha512-(\S+)$/.exec(integrity ?? '') ?? []
  if (content === undefined) return {}
  return { hashes: [{ alg: 'SHA-512', content: Buffer.from(content, 'base64').toString('hex') }] }
}

/** The folder of the package that a file belongs to, installed by npm or downloaded apart; undefined for a file of the project
 *  itself. */
function packageFolder(file: string): string | undefined {
  return /^.*\/(?:node_modules\/(?:@[^/]+\/)?|build\/packages\/)[^/]+(?=\/)/.exec(file)?.[0]
}

function manifestOf(folder: string): PackageManifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
