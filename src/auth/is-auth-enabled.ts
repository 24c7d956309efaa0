import type { AuthSettings } from './access-control.ts'

/** True if any access control is configured. If not, none of its code is loaded. */
export function isAuthEnabled(settings: AuthSettings): boolean {
  const { silly, htpasswd, token, issuer, robots, certificate, rules } = settings
  if ((settings.login?.oidc.length ?? 0) > 0) return true
  return [silly, htpasswd, token, issuer, robots, certificate, rules].some((part) => part !== undefined)
}
