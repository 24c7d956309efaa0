/** Who may do what: `auth` and `policy`. */

import { z } from 'zod'
import { filledText, flag, list, optionalSection, section, sectionOf, text } from './key.ts'

const realm = () => filledText('the realm that clients are told').required()
const service = () => filledText('the name of the service').required()

const token = optionalSection({
  realm: realm(),
  service: service(),
  issuer: filledText('the name of the issuer, as its tokens have it').required(),
  rootcertbundle: text().or(''),
  jwks: text().or(''),
  /** JWS algorithms; empty for those that Distribution takes. */
  signingalgorithms: list(text().required()),
  autoredirect: flag().or(false),
  autoredirectpath: text().or('/auth/token'),
})

const KINDS = ['silly', 'htpasswd', 'token', 'none']

function kindsOf(found: unknown): string[] {
  return KINDS.filter((kind) => (found as Record<string, unknown>)[kind] !== undefined)
}

const authKeys = z
  .strictObject({
    silly: optionalSection({ realm: realm(), service: service() }),
    htpasswd: optionalSection({ realm: realm(), path: filledText('the path of a file').required() }),
    token,
    none: optionalSection({}),
  })
  .refine((found) => kindsOf(found).length <= 1, {
    when: ({ value }) => typeof value === 'object',
    error: ({ input }) => `found ${kindsOf(input).join(' and ')}; accepted: one of ${KINDS.join(', ')}`,
  })

export const auth = sectionOf(authKeys)

export const policy = section({ repository: section({ classes: list(text().required()) }) })
