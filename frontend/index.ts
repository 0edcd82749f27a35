// demos
/** The front page: the live blogs, with their numbers of posts. Its HTML is index.html. */

import Alpine from '@alpinejs/csp'
import { connect, type Row } from 'channels-databinding'
import live, { type Live } from 'channels-databinding/alpine'
import connectionStatus from './connection-status.ts'
import frames, { OverheardSocket } from './frames.ts'
import { carried } from './snapshot.ts'

interface Liveblog {
  name: string
  slug: string
  live: boolean
}

/** Of a post, no more than where it is. */
interface Published {
  liveblog: number
}

Alpine.plugin(live(connect('/ws/', { WebSocket: OverheardSocket })))
Alpine.plugin(connectionStatus)
Alpine.plugin(frames)

Alpine.data('liveblogs', () => ({
  liveblogs: {} as Live<Liveblog>,
  published: {} as Live<Published>,

  init() {
    this.liveblogs = this.$live<Liveblog>('liveblogs', { order: 'name', initial: carried('liveblogs-rows') })
    this.published = this.$live<Published>('published', { initial: carried('published-rows') })
  },

  url({ slug }: Row<Liveblog>) {
    return `/liveblog/${slug}/`
  },

  count({ $pk }: Row<Liveblog>) {
    const count = this.published.rows.filter(({ liveblog }) => liveblog === $pk).length
    return count === 1 ? '1 post' : `${count} posts`
  },
}))

Alpine.start()
