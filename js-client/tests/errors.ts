// What must not compile: `npm run check` fails if one of these lines does.

import live, { type Live } from '../src/adapters/alpine.ts'
import { Draft } from '../src/draft.ts'
import { connect, type ErrorCode, type Row, WriteError } from '../src/index.ts'

interface Post {
  body: string
  likes: number
}

export async function mistakes(row: Row<Post>, page: Live<Post>, error: WriteError) {
  const socket = connect('wss://example.com/ws/')
  const posts = socket.collection<Post>('posts')

  // @ts-expect-error: a path or a full URL, as text
  connect(8000)
  // @ts-expect-error: `log` takes a line
  connect('/ws/', { log: (line: number) => line })
  // @ts-expect-error: there is no such field to order by
  socket.collection<Post>('posts', { order: 'author' })
  // @ts-expect-error: params are flat
  socket.collection<Post>('posts', { params: { liveblog: { id: 3 } } })
  // @ts-expect-error: rows without the cursor they were read at
  socket.collection<Post>('posts', { initial: { rows: [] } })

  // @ts-expect-error: there is no such field
  await posts.create({ author: 'alice' })
  // @ts-expect-error: likes are a number
  await posts.update(row, { likes: '1' })
  // @ts-expect-error: there is no such field to expect
  await posts.update(row, { likes: 1 }, { expect: { author: 'alice' } })
  // @ts-expect-error: a row or its pk
  await posts.delete({ body: 'Goal!' })

  // @ts-expect-error: rows are frozen: update them
  row.body = 'Goal!'
  // @ts-expect-error: and so is their order
  posts.rows.sort()
  // @ts-expect-error: the pk is not a field: `$pk`
  const unknown = row.pk
  // @ts-expect-error: a row that is on its way has none yet
  const pk: number | string = row.$pk
  // @ts-expect-error: a code that no server gives
  const code: ErrorCode = 'refused'
  // @ts-expect-error: an error is read, not written
  error.code = 'invalid'

  // @ts-expect-error: there is no such field to type in
  const draft = new Draft(posts, row, 'author')
  // @ts-expect-error: likes are a number
  new Draft(posts, row, 'likes').type('1')

  // @ts-expect-error: the plugin takes a socket, not its address
  live('/ws/')
  // @ts-expect-error: what Alpine holds knows the fields, too
  await page.create({ author: 'alice' })

  return [unknown, pk, code, draft]
}
