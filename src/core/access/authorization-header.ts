/** A name and a password. */
export interface Login {
  readonly username: string
  readonly password: string
}

/** The credentials of the scheme Basic, RFC 7617. Undefined if malformed. A colon ends the name. */
export function parseBasic(credentials: string): Login | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(credentials)) return undefined
  const text = Buffer.from(credentials, 'base64').toString()
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** The empty name and password that podman and skopeo send if they have no login for the registry. */
const NO_LOGIN = `Basic ${Buffer.from(':').toString('base64')}`

/** True if the header is absent or has no login. */
export function isNoLogin(authorization: string | undefined): authorization is undefined {
  return authorization === undefined || authorization === NO_LOGIN
}

/** The scheme, in lower case, and the rest. RFC 9110 section 11.4. */
export function splitAuthorization(header: string): { scheme: string; credentials: string } {
  const space = header.indexOf(' ')
  if (space === -1) return { scheme: header.toLowerCase(), credentials: '' }
  return { scheme: header.slice(0, space).toLowerCase(), credentials: header.slice(space + 1).trim() }
}

/** The unverified name in a login of the scheme Basic. Undefined if there is none. */
export function claimedUser(header: string | undefined): string | undefined {
  if (isNoLogin(header)) return undefined
  const { scheme, credentials } = splitAuthorization(header)
  return scheme === 'basic' ? parseBasic(credentials)?.username : undefined
}
