import { RegistryError } from '../../core/errors.ts'
import { errorReply } from '../reply/errors.ts'
import { emptyReply, type WholeReply } from '../reply/reply.ts'
import { operations } from '../routes.ts'
import type { HttpSettings } from '../settings.ts'
import { isEnabled } from './is-enabled.ts'
import type { Resource } from './route.ts'

function enabledMethods(resource: Resource, settings: HttpSettings): string[] {
  const enabled = Object.entries(operations[resource]).filter(([, { access }]) => isEnabled(access, settings))
  return enabled.map(([method]) => method)
}

/** A 405 with `Allow`. RFC 9110 section 15.5.6. */
export function refuseMethod(resource: Resource, settings: HttpSettings): WholeReply {
  const message = settings.readOnly ? 'the registry is read-only' : 'this method is not enabled here'
  const refused = errorReply(new RegistryError('UNSUPPORTED', { message }))
  return { ...refused, headers: { ...refused.headers, allow: enabledMethods(resource, settings).join(', ') } }
}

/** The answer to `CONNECT`: the registry is no proxy. RFC 9110 section 9.3.6. */
export function refuseConnect(): WholeReply {
  const refused = errorReply(new RegistryError('UNSUPPORTED', { message: 'this server is not a proxy' }))
  return { ...refused, headers: { ...refused.headers, allow: '' } }
}

/** The answer to `OPTIONS`, the CORS preflight that browsers send without credentials. The CORS headers come
 *  from `http.headers`, which every response carries. RFC 9110 section 9.3.7;
 *  https://fetch.spec.whatwg.org/#cors-preflight-fetch */
export function preflightReply(resource: Resource, settings: HttpSettings): WholeReply {
  return emptyReply(204, { allow: [...enabledMethods(resource, settings), 'OPTIONS'].join(', ') })
}
