/** The section `middleware`: wrappers of the registry, its repositories and its storage. Storage middlewares
 *  are Distribution's. */

import * as z from 'zod'
import {
  anything,
  choice,
  duration,
  filledText,
  flag,
  list,
  scalar,
  section,
  sectionOf,
  table,
  text,
  url,
} from './key.ts'

/** Without a scheme it is https, as in Distribution. */
const distributionUrl = scalar('the URL of a distribution, such as https://abc.cloudfront.net', (found) => {
  const written = String(found)
  const full = written.includes('://') ? written : `https://${written}`
  return written !== '' && URL.canParse(full) && /^https?:\/\//i.test(full) ? full : undefined
})

const cloudfront = section({
  baseurl: distributionUrl.required(),
  /** The path of a PEM file. */
  privatekey: filledText('the path of a key').required(),
  keypairid: filledText('the id of a public key, as CloudFront lists it').required(),
  /** Lifetime of a URL, in milliseconds. */
  duration: duration({ min: 1000, minText: ', at least 1s' }).or(20 * 60_000),
  /** Clients that are redirected to the bucket itself. */
  ipfilteredby: choice('none', 'aws', 'awsregion').or('none'),
  /** Separated by commas. */
  awsregion: text().or(''),
  /** In milliseconds. */
  updatefrequency: duration({ min: 60_000, minText: ', at least 1m' }).or(12 * 3_600_000),
  /** The spelling of an early release. */
  updatefrenquency: duration({ min: 60_000, minText: ', at least 1m' }).optional(),
  iprangesurl: url().or('https://ip-ranges.amazonaws.com/ip-ranges.json'),
})
  .refine(({ ipfilteredby, awsregion }) => ipfilteredby !== 'awsregion' || regionsOf(awsregion).length > 0, {
    path: ['awsregion'],
    error: 'names of regions, such as us-east-1, us-east-2: ipfilteredby is awsregion',
  })
  .transform(({ updatefrenquency, awsregion, ...rest }) => ({
    ...rest,
    regions: regionsOf(awsregion),
    updatefrequency: updatefrenquency ?? rest.updatefrequency,
  }))

function regionsOf(written: string): string[] {
  return written
    .split(',')
    .map((region) => region.trim().toLowerCase())
    .filter(Boolean)
}

const webScheme = scalar('http or https', (found) =>
  ['', 'http', 'https'].find((scheme) => scheme === String(found).toLowerCase()),
)

const hostAndPort = scalar('a host such as cdn.example.com or cdn.example.com:8443', (found) => {
  const host = String(found)
  return host === '' || (/^[^\s/?#@\\]+$/.test(host) && URL.canParse(`https://${host}`)) ? host : undefined
})

const STORAGE_OPTIONS = {
  cloudfront,
  redirect: section({ baseurl: url().required() }),
  rewrite: section({
    scheme: webScheme.or(''),
    host: hostAndPort.or(''),
    trimpathprefix: text().or(''),
  }),
}

type StorageMiddlewareName = keyof typeof STORAGE_OPTIONS

/** Disabled entries are kept, because messages name entries by their index. */
type StorageMiddleware =
  | { name: string; disabled: true }
  | {
      [Name in StorageMiddlewareName]: {
        name: Name
        disabled: false
        options: z.output<(typeof STORAGE_OPTIONS)[Name]>
      }
    }[StorageMiddlewareName]

const NAME_FORM = 'the name of a middleware'

const entry = z.strictObject({
  name: filledText(NAME_FORM).required(),
  disabled: flag().or(false),
  options: table(anything()),
})

const storageEntry = entry.transform(({ name, disabled, options }, context): StorageMiddleware => {
  if (disabled) return { name, disabled }
  if (!Object.hasOwn(STORAGE_OPTIONS, name)) {
    const message = `${Object.keys(STORAGE_OPTIONS).join(', ')}; others are not supported`
    context.issues.push({ code: 'custom', path: ['name'], message, input: name })
    return z.NEVER
  }
  const checked = STORAGE_OPTIONS[name as StorageMiddlewareName].safeParse(options, { jitless: true })
  if (checked.success) return { name, disabled, options: checked.data } as StorageMiddleware
  for (const issue of checked.error.issues) {
    context.issues.push({ ...issue, path: ['options', ...issue.path], input: options } as z.core.$ZodRawIssue)
  }
  return z.NEVER
})

export const middleware = section({
  registry: list(sectionOf(entry)),
  repository: list(sectionOf(entry)),
  storage: list(sectionOf(storageEntry)),
})
