export function TagHistory(_: { repository: string; tag: string }) {
  return null
}
