export function Deleted(_: { name: string }) {
  return null
}
