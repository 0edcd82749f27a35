/** … index → draft → adapters/alpine → **global**
 *
 *  All of the client as one file for a `<script>`, under the one name `channelsDatabinding`: for pages without a bundler.
 *
 *  ```js
 *  const { connect, live } = channelsDatabinding
 *  Alpine.plugin(live(connect('/ws/liveblog/')))
 *  ```
 */

export { default as live } from './adapters/alpine.ts'
export { Draft } from './draft.ts'
export { connect, WriteError } from './index.ts'
