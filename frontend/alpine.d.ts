/** What our plugin adds to every component. (Alpine's CSP build has no types of its own: tsconfig.json gives it Alpine's.) */

import type { CollectionOptions, Data, Params } from 'channels-databinding'
import type { Live, LiveConnection, LivePresence } from 'channels-databinding/alpine'

declare module 'alpinejs' {
  interface Magics<T> {
    $live: <Row extends object>(stream: string, options?: CollectionOptions<Row>) => Live<Row>
    $presence: <State extends object = Data>(stream: string, options?: { params?: Params }) => LivePresence<State>
    $connection: LiveConnection
  }
}
