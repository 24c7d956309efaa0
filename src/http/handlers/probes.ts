/** What load balancers and Kubernetes ask, without a login. They take nothing but a 200 for a yes. */
import { RegistryError } from '../../core/errors.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** The registry is there, and no health check fails. */
export function getRoot({ health }: RequestContext): Reply {
  if (health.failures.size > 0) throw unhealthy()
  return yes()
}

/** The process answers: there is no reason to start it anew. */
export function getLiveness(): Reply {
  return yes()
}

/** Storage has answered since the process started. */
export function getStartup({ health }: RequestContext): Reply {
  if (!health.hasStarted) throw notReady('storage has not answered yet')
  return yes()
}

/** Requests may be sent here. What the registry can do without, such as Redis, does not count. A registry that is being stopped
 *  takes no connections, which is answer enough. */
export function getReadiness({ health }: RequestContext): Reply {
  if (!health.hasStarted) throw notReady('storage has not answered yet')
  if (health.failures.size > 0) throw unhealthy()
  return yes()
}

/** In the words of Distribution. */
export function unhealthy(): RegistryError {
  return notReady('health check failed: please see /debug/health')
}

function notReady(detail: string): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'service unavailable', detail })
}

function yes(): Reply {
  return emptyReply(200, { 'cache-control': 'no-cache' })
}
