/** Icons of 16 pixels, drawn with lines. */
const PATHS = {
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.600-1.400L14 14',
  copy: 'M5.500 5.500v-3h8v8h-3m-8-5h8v8h-8z',
  check: 'm3 8.500 3.500 3.500L13 4.500',
  trash: 'M2.500 4h11M6 4V2.500h4V4M4 4l.7 9.500h6.600L12 4M6.700 6.500v4.500M9.300 6.500v4.500',
  chevron: 'm6 3.500 4.500 4.500L6 12.500',
  folder: 'M2 12.500v-9h4l1.500 2H14v7z',
  box: 'M8 2 13.500 5v6L8 14l-5.500-3V5zM2.500 5 8 8l5.500-3M8 8v6',
  close: 'm4 4 8 8m0-8-8 8',
  shield: 'M8 1.800 13 3.500v4c0 3.200-2.200 5.400-5 6.700-2.800-1.300-5-3.500-5-6.700v-4z',
  menu: 'M3 8h.01M8 8h.01M13 8h.01',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
