import { stat } from 'node:fs/promises'
import type { ImageSource, ImageTarget } from '../../client/copy/image-store.ts'
import { RegistryImages } from '../../client/copy/registry-images.ts'
import { formatReference, type ImageReference, parseImageReference } from '../../client/image-reference.ts'
import { UsageError } from '../usage-error.ts'
import type { OpenOptions, Registries } from './registries.ts'

/** A place of images as it is written on a command line. */
export type ImageName =
  | { readonly kind: 'registry'; readonly image: ImageReference }
  | {
      readonly kind: 'oci' | 'docker-archive' | 'oci-archive'
      readonly path: string
      readonly name: string | undefined
    }

/** Parses `[docker://]image`, `oci:folder[:name]`, `oci-archive:file[:name]` or `docker-archive:file[:name]`.
 *  @throws UsageError */
export function parseImageName(text: string): ImageName {
  const [, kind, place = ''] = /^(oci|oci-archive|docker-archive):(.*)$/s.exec(text) ?? []
  if (kind === undefined) return { kind: 'registry', image: imageOf(text) }
  const colon = place.indexOf(':')
  const path = colon < 0 ? place : place.slice(0, colon)
  const name = colon < 0 ? undefined : place.slice(colon + 1)
  if (path === '' || name === '')
    throw new UsageError(`${kind}: takes a path, and after a colon a name: ${text}`)
  return { kind: kind as 'oci', path, name }
}

/** As `parseImageName`; what is a file or a folder is an archive or a layout.
 *  @param format of a file that is not there */
export async function parseLocalName(text: string, format = 'docker-archive'): Promise<ImageName> {
  if (/^(?:oci|oci-archive|docker-archive):/.test(text)) return parseImageName(text)
  const status = await stat(text).catch(() => undefined)
  if (status?.isDirectory()) return parseImageName(`oci:${text}`)
  if (status !== undefined) return parseImageName(`docker-archive:${text}`)
  return parseImageName(`${format}:${text}`)
}

/** @throws UsageError */
export function imageOf(text: string): ImageReference {
  const image = parseImageReference(text)
  if (image !== undefined) return image
  throw new UsageError(`not an image, such as registry.example/team/app:1.0: ${text}`)
}

/** What the source calls the image: a digest goes before a tag. */
export function referenceIn(name: ImageName): string | undefined {
  return name.kind === 'registry' ? (name.image.digest ?? name.image.tag ?? 'latest') : name.name
}

/** The tag at a target; undefined if a digest is given. */
export function tagIn(name: ImageName): string | undefined {
  if (name.kind !== 'registry') return name.name
  return name.image.tag ?? (name.image.digest === undefined ? 'latest' : undefined)
}

export async function openSource(
  name: ImageName,
  registries: Registries,
  options?: OpenOptions,
): Promise<ImageSource & AsyncDisposable> {
  if (name.kind === 'registry') return undisposed(await openRepository(name.image, registries, options))
  if (name.kind === 'oci') {
    const [{ LayoutSource }, { FolderTree }] = await Promise.all([
      import('../../client/layout/layout-source.ts'),
      import('../../client/layout/folder.ts'),
    ])
    return undisposed(await LayoutSource.open(new FolderTree(name.path)))
  }
  return (await import('../../client/archive/archive-source.ts')).openArchive(name.path)
}

export async function openTarget(
  name: ImageName,
  registries: Registries,
  options?: OpenOptions,
): Promise<ImageTarget> {
  if (name.kind === 'registry') return openRepository(name.image, registries, options)
  if (name.kind === 'oci')
    return (await import('../../client/layout/layout-target.ts')).LayoutTarget.open(name.path)
  return (await import('../../client/archive/archive-target.ts')).ArchiveTarget.open(name.path)
}

export async function openRepository(
  image: ImageReference,
  registries: Registries,
  options?: OpenOptions,
): Promise<RegistryImages> {
  const { host, repository } = image
  const client = await registries.client(image, options)
  return new RegistryImages(client, { registry: await registries.url(host), repository }, registries.retries)
}

/** For messages. */
export function nameText(name: ImageName): string {
  if (name.kind === 'registry') return formatReference(name.image)
  return `${name.kind}:${name.path}${name.name === undefined ? '' : `:${name.name}`}`
}

function undisposed<Source extends ImageSource>(source: Source): Source & AsyncDisposable {
  return Object.assign(source, { [Symbol.asyncDispose]: async () => {} })
}
