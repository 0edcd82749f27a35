/** What our plugin adds to every component. (Alpine's CSP build has no types of its own: tsconfig.json gives it Alpine's.) */

import type { CollectionOptions } from 'channels-databinding'
import type { Live, LiveConnection } from 'channels-databinding/alpine'

declare module 'alpinejs' {
  interface Magics<T> {
    $live: <Row extends object>(stream: string, options?: CollectionOptions<Row>) => Live<Row>
    $connection: LiveConnection
  }
}
