import { encodeBinaryCloudEvent, encodeCloudEvent } from './cloudevents.ts'
import { encodeDistribution2, encodeDistribution3 } from './distribution.ts'
import type { EncodeEvents, FormatName } from './format.ts'

export const ENCODERS: Readonly<Record<FormatName, EncodeEvents>> = {
  distribution3: encodeDistribution3,
  distribution2: encodeDistribution2,
  cloudevents: encodeCloudEvent,
  'cloudevents-binary': encodeBinaryCloudEvent,
}
