/** `middleware`: what wraps the registry, its repositories and its storage. The options of those that Distribution has
 *  are checked; of others only their maker knows them. */

import { z } from 'zod'
import {
  anything,
  choice,
  duration,
  filledText,
  flag,
  list,
  section,
  sectionOf,
  table,
  text,
  url,
} from './key.ts'

const storageOptions: Record<string, z.ZodType> = {
  cloudfront: section({
    baseurl: filledText('the URL of a distribution').required(),
    privatekey: filledText('the path of a key').required(),
    keypairid: text().required(),
    duration: duration().or(20 * 60_000),
    ipfilteredby: choice('none', 'aws', 'awsregion').or('none'),
    awsregion: text().or(''),
    updatefrequency: duration().or(12 * 3_600_000),
    /** As an early release spelled it. */
    updatefrenquency: duration().optional(),
    iprangesurl: url().or('https://ip-ranges.amazonaws.com/ip-ranges.json'),
  }),
  redirect: section({ baseurl: url().required() }),
  rewrite: section({ scheme: text().or(''), host: text().or(''), trimpathprefix: text().or('') }),
}

const entry = z.strictObject({
  name: filledText('the name of a middleware').required(),
  disabled: flag().or(false),
  options: table(anything()),
})

const storageEntry = entry.superRefine(({ name, disabled, options }, context) => {
  const checked = disabled ? undefined : storageOptions[name]?.safeParse(options)
  for (const issue of checked?.error?.issues ?? [])
    context.addIssue({ ...issue, path: ['options', ...issue.path] } as Parameters<typeof context.addIssue>[0])
})

export const middleware = section({
  registry: list(sectionOf(entry)),
  repository: list(sectionOf(entry)),
  storage: list(sectionOf(storageEntry)),
})
