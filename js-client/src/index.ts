/** Live, two-way data binding between Django models and the browser.
 *
 *  ```ts
 *  const socket = connect('/ws/liveblog/')
 *  const posts = socket.collection<Post>('posts', { params: { liveblog: 3 }, order: '-created' })
 *  const stop = posts.subscribe(rows => draw(rows))
 *  await posts.create({ body: 'Goal!' })
 *  ```
 */

import { Demultiplexer } from './demultiplexer.ts'
import { type Environment, environment } from './environment.ts'

export type { Collection, Order, Row, Target } from './collection.ts'
export type { State, Status } from './connection.ts'
export type { CollectionOptions } from './demultiplexer.ts'
export type { Environment } from './environment.ts'
export type { Person, Presence } from './presence.ts'
export { type Data, type ErrorCode, type Params, type Pk, type Snapshot, WriteError } from './protocol.ts'
export type { Readable } from './store.ts'
export type { RowExtras } from './rows.ts'
export type { Liveness } from './liveness.ts'

/** One connection to the server; everything else comes from it. */
export type Socket = Pick<Demultiplexer, 'status' | 'collection' | 'presence' | 'close'>

/** Return a socket to `url`: a path on this page's server, or a full URL; `https:` becomes `wss:`.
 *
 *  It connects when first needed, and from then on comes back by itself until you `close()` it or the server refuses
 *  (`status` says `closed` with code 4401, 4403, 4404 or 4409: what was shown is emptied; log in, or load the page anew).
 *
 *  `instead` replaces parts of the browser, for tests; `{ log: console.debug }` shows each move. */
export function connect(url: string, instead: Partial<Environment> = {}): Socket {
  const here = globalThis.location?.href
  if (!URL.canParse(url, here)) {
    throw new TypeError(`"${url}" is no URL here. Outside a page, give a full one: wss://example.com/ws/…`)
  }
  const full = new URL(url, here)
  full.protocol = full.protocol.replace('http', 'ws')
  full.hash = ''
  return new Demultiplexer(full.href, { ...environment(), ...instead })
}
