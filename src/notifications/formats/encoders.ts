import { encodeBinaryCloudEvent, encodeCloudEvent } from './cloudevents.ts'
import { encodeDistribution2, encodeDistribution3 } from './distribution.ts'
import type { EncodeEvent, FormatName } from './format.ts'

export const ENCODERS: Readonly<Record<FormatName, EncodeEvent>> = {
  distribution3: encodeDistribution3,
  distribution2: encodeDistribution2,
  cloudevents: encodeCloudEvent,
  'cloudevents-binary': encodeBinaryCloudEvent,
}
