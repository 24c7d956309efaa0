export function Usage(_: { name: string }) {
  return null
}
