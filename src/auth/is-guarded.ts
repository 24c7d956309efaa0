import type { AuthSettings } from './access-control.ts'

/** False where everybody may do everything, so that nothing of access control need be loaded. */
export function isGuarded(settings: AuthSettings): boolean {
  const { silly, htpasswd, token, issuer, robots, certificate, rules } = settings
  return [silly, htpasswd, token, issuer, robots, certificate, rules].some((part) => part !== undefined)
}
