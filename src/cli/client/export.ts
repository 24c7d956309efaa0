import type { ImageSource } from '../../client/copy/image-store.ts'
import { formatReference, parseHost, parseImageReference } from '../../client/image-reference.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { imageOf, openRepository, openSource, openTarget, parseLocalName } from './images.ts'
import { CONNECTION, helpText, JSON_OPTION, type OptionTexts, PLATFORM, TRANSFER } from './options.ts'
import type { Registries } from './registries.ts'
import { withRegistries } from './session.ts'
import { platformOption, type Transfer, transferImages } from './transfer.ts'

const OPTIONS = { ...PLATFORM, ...TRANSFER, ...JSON_OPTION, ...CONNECTION } as const satisfies OptionTexts

const EXPORT_HELP = helpText(
  ['export <repository or image>... oci:<folder>'],
  `Writes images under their full names into one OCI layout, or into an archive (oci-archive:<file>), to carry them to another registry:
of a repository all tags. What the layout has is not fetched again.`,
  OPTIONS,
)

/** Runs `entrepot export`.
 *  @throws UsageError; UpstreamError; errors of files */
export function exportImages(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: EXPORT_HELP, options: OPTIONS },
    async ({ values, positionals, registries }) => {
      const names = positionals.slice(0, -1)
      const place = positionals.at(-1)
      if (place === undefined || names.length === 0) throw new UsageError('export takes images and a layout')
      const images = names.map(imageOf)
      const to = await parseLocalName(place, 'oci')
      if (to.kind === 'registry' || to.name !== undefined)
        throw new UsageError('export takes a layout without a name')
      const target = await openTarget(to, registries)
      const platform = platformOption(values.platform)
      const transfers = (async function* (): AsyncIterable<Transfer> {
        for (const image of images) {
          const source = await openRepository(image, registries)
          const given = image.digest ?? image.tag
          for await (const reference of given === undefined ? source.tags() : [given]) {
            const name = formatReference({
              ...image,
              ...(given === undefined && { tag: reference as never }),
            })
            yield { source, target, reference, tag: name, platform, from: name, to: name }
          }
        }
      })()
      await transferImages(transfers, { values, registries })
    },
  )
}

const IMPORT_HELP = helpText(
  ['import oci:<folder> <registry>[/<prefix>]'],
  `Pushes every image of a layout or an archive that entrepot export has written to a registry, into repositories of the same names, below
the prefix if there is one.`,
  OPTIONS,
)

/** Runs `entrepot import`. */
export function importImages(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: IMPORT_HELP, options: OPTIONS },
    async ({ values, positionals, registries }) => {
      const [place, to, ...others] = positionals
      if (place === undefined || to === undefined || others.length > 0)
        throw new UsageError('import takes a layout and a registry')
      const from = await parseLocalName(place, 'oci')
      if (from.kind === 'registry' || from.name !== undefined)
        throw new UsageError('import takes a layout without a name')
      const [host = '', ...prefix] = to.replace(/\/$/, '').split('/')
      if (parseHost(host) === undefined) throw new UsageError(`not a registry: ${to}`)
      await using source = await openSource(from, registries)
      const transfers = imported({ source, registries, prefix: [host, ...prefix].join('/') })
      const platform = platformOption(values.platform)
      await transferImages(withPlatform(transfers, platform), { values, registries })
    },
  )
}

interface Imported {
  readonly source: ImageSource
  readonly registries: Registries
  /** The registry, and what goes before the names of repositories. */
  readonly prefix: string
}

async function* imported({ source, registries, prefix }: Imported): AsyncIterable<Transfer> {
  const targets = new Map<string, Awaited<ReturnType<typeof openRepository>>>()
  for await (const name of source.tags()) {
    const old = parseImageReference(name)
    if (old === undefined) throw new UsageError(`${source.name}: ${name} is not the name of an image`)
    const to = formatReference({ ...old, host: prefix })
    const image = imageOf(to)
    const key = `${image.host}/${image.repository}`
    const target = targets.get(key) ?? (await openRepository(image, registries))
    targets.set(key, target)
    const tag = old.tag ?? (old.digest === undefined ? 'latest' : undefined)
    yield { source, target, reference: name, tag, from: name, to }
  }
}

async function* withPlatform(
  transfers: AsyncIterable<Transfer>,
  platform: Transfer['platform'],
): AsyncIterable<Transfer> {
  for await (const transfer of transfers) yield { ...transfer, platform }
}

export const exportCommand: CommandModule = { help: EXPORT_HELP, options: OPTIONS, run: exportImages }
export const importCommand: CommandModule = { help: IMPORT_HELP, options: OPTIONS, run: importImages }
