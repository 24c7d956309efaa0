import { isTag } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { imageOf, openRepository, openSource, parseImageName, referenceIn } from './images.ts'
import { one } from './look.ts'
import { CONNECTION, helpText, JSON_OPTION, type OptionTexts } from './options.ts'
import { print, withRegistries } from './session.ts'

const CHANGE = { ...JSON_OPTION, ...CONNECTION } as const satisfies OptionTexts

const TAG_HELP = helpText(['tag <image> <tag>'], 'Gives an image another tag in its repository.', CHANGE)

/** Runs `entrepot tag`.
 *  @throws UsageError; UpstreamError */
export function tag(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: TAG_HELP, options: CHANGE },
    async ({ values, positionals, registries }) => {
      const [text, name, ...others] = positionals
      if (text === undefined || name === undefined || others.length > 0)
        throw new UsageError('tag takes an image and a tag')
      if (!isTag(name)) throw new UsageError(`not a tag: ${name}`)
      const image = imageOf(text)
      const repository = await openRepository(image, registries)
      const manifest = await repository.manifest(image.digest ?? image.tag)
      await repository.putManifest(manifest, name)
      const tagged = `${repository.name}:${name}`
      const { digest } = manifest
      print(values.json ? JSON.stringify({ action: 'tag', name: tagged, digest }) : `${tagged} ${digest}`)
    },
  )
}

const DELETE_HELP = helpText(
  ['delete <image>...'],
  `Deletes tags, or by their digests manifests. Without a tag and a digest nothing is deleted. Some registries delete by digest only;
that ends every tag of the manifest.`,
  CHANGE,
)

/** Codes by which registries say that they delete no tags. */
const NO_TAGS: ReadonlySet<number | undefined> = new Set([400, 405])

/** Runs `entrepot delete`. */
export function remove(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: DELETE_HELP, options: CHANGE },
    async ({ values, positionals, registries }) => {
      if (positionals.length === 0) throw new UsageError('delete takes images')
      const images = positionals.map((text) => ({ text, image: imageOf(text) }))
      const unclear = images.find(({ image }) => (image.digest ?? image.tag) === undefined)
      if (unclear !== undefined)
        throw new UsageError(`delete takes a tag or a digest: ${unclear.text} has none`)
      for (const { text, image } of images) {
        const client = await registries.client(image)
        const reference = image.digest ?? image.tag
        if (reference === undefined) continue
        try {
          await registries.retries.run(() => client.deleteManifest(image.repository, reference))
        } catch (cause) {
          if (!(cause instanceof UpstreamError) || image.digest !== undefined || !NO_TAGS.has(cause.status))
            throw cause
          const { digest } = await client.headManifest(image.repository, reference)
          const hint =
            digest && `; to delete the manifest and all its tags: ${image.host}/${image.repository}@${digest}`
          throw new UpstreamError(cause.code, { message: `${cause.message}${hint ?? ''}`, cause })
        }
        print(values.json ? JSON.stringify({ action: 'delete', name: text }) : text)
      }
    },
  )
}

const REFERRERS = {
  'artifact-type': { type: 'string', value: 'media type', text: 'only of this type' },
  ...JSON_OPTION,
  ...CONNECTION,
} as const satisfies OptionTexts

const REFERRERS_HELP = helpText(
  ['referrers <image>'],
  'Lists what refers to an image, such as signatures and SBOMs: digest, type and size in bytes.',
  REFERRERS,
)

/** Runs `entrepot referrers`. */
export function referrers(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: REFERRERS_HELP, options: REFERRERS },
    async ({ values, positionals, registries }) => {
      const name = parseImageName(one(positionals, 'referrers takes an image'))
      const source = await openSource(name, registries)
      const { digest } = await source.manifest(referenceIn(name))
      const { json = false, 'artifact-type': type } = values
      const all = await source.referrers(digest)
      const found = all.filter(({ artifactType }) => type === undefined || artifactType === type)
      if (json) print(JSON.stringify(found))
      else for (const one of found) print(`${one.digest} ${one.artifactType ?? one.mediaType} ${one.size}`)
    },
  )
}

export const tagCommand: CommandModule = { help: TAG_HELP, options: CHANGE, run: tag }
export const deleteCommand: CommandModule = { help: DELETE_HELP, options: CHANGE, run: remove }
export const referrersCommand: CommandModule = { help: REFERRERS_HELP, options: REFERRERS, run: referrers }
