/** A page with a list of posts, on a browser that the test holds in its hands. */

import { type Collection, connect, type Order } from '../src/index.ts'
import { Browser, type Said } from './browser.ts'

export type Post = { body: string; created?: string; tags?: number[] }
type Told = { pk: number | string; data: Post }

export const params = { liveblog: 3 }

export function visit(order: Order<Post> = '$pk') {
  const browser = new Browser()
  const socket = connect('wss://example.com/ws/', browser.environment)
  const posts = socket.collection<Post>('posts', { params, order })
  return { browser, socket, posts }
}

/** The list is live, with these rows. */
export function visitLive(rows: Told[] = [], order: Order<Post> = '$pk') {
  const page = visit(order)
  const drawn: string[] = []
  const stop = page.posts.subscribe(() => drawn.push(bodies(page.posts)))
  page.browser.wire.open()
  page.browser.wire.snapshot(rows)
  drawn.length = 0
  return { ...page, stop, drawn }
}

export const post = (pk: number | string, body: string, more: Partial<Post> = {}): Told => ({
  pk,
  data: { body, ...more },
})

/** What the list shows, in order. A star is for what is pending. */
export const bodies = (posts: Collection<Post>): string =>
  posts.rows.map(row => row.body + (row.$pending ? '*' : '')).join(' ')

/** What the server says of one row of the list. */
export const change = (
  action: string,
  { pk, data }: { pk: number | string; data?: object },
  more: { refs?: string[]; cursor?: string } = {},
) => ({
  stream: 'posts',
  params,
  cursor: 'c1',
  ...more,
  payload: { action, pk, data: data ?? {}, model: 'app.post' },
})

export const ack = ({ ref, stream }: Said, pk?: number | string) => ({
  stream,
  ref,
  payload: { action: 'ack', ...(pk !== undefined && { pk }) },
})

export const refusal = ({ ref, stream }: Said, code = 'invalid', more: object = {}) => ({
  stream,
  ref,
  payload: { action: 'error', code, message: `No: ${code}.`, ...more },
})
