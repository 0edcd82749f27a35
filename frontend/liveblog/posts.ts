/** What a post is. Its twin is backend/liveblog/bindings.py. */

import type { Row } from 'channels-databinding'

export interface Post {
  liveblog: number
  body: string
  published: boolean
  pinned: boolean
  likes: number
  created: string
}

export type PostRow = Row<Post>
