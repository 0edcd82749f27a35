/** One live blog. Its HTML is liveblog.html, and backend/liveblog/bindings.py decides who sees and writes what. */

import Alpine from '@alpinejs/csp'
import { connect, type Row, WriteError } from 'channels-databinding'
import live, { type Live } from 'channels-databinding/alpine'
import connectionStatus from './connection-status.ts'
import { reason, unsent } from './words.ts'

interface Post {
  liveblog: number
  body: string
  published: boolean
  created: string
}

type PostRow = Row<Post>

const today = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })
const before = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })

Alpine.plugin(live(connect('/ws/liveblog/')))
Alpine.plugin(connectionStatus)

Alpine.data('liveblog', () => ({
  posts: {} as Live<Post>,
  liveblog: 0,

  // the form above
  body: '',
  publish: true,
  refused: '',

  // the post that is being edited, by key
  editing: '',
  draft: '',
  original: '',

  // the post that a dialog asks about
  subject: null as PostRow | null,

  // what went wrong, by key
  problems: {} as Record<string, string>,

  init() {
    this.liveblog = Number(this.$root.dataset['liveblog'])
    this.posts = this.$live<Post>('posts', { params: { liveblog: this.liveblog }, order: '-created' })
  },

  // ---- reading

  time({ created }: PostRow) {
    if (!created) return 'now'
    const time = new Date(created)
    return (time.toDateString() === new Date().toDateString() ? today : before).format(time)
  },

  /** Why there is nothing to see, if that is so. */
  trouble() {
    return this.posts.error?.message ?? ''
  },

  isEmpty() {
    return this.posts.status === 'live' && this.posts.rows.length === 0
  },

  waiting() {
    return unsent(this.posts.rows, this.$connection.state)
  },

  problem({ $key }: PostRow) {
    return this.problems[$key] ?? ''
  },

  // ---- writing

  async post() {
    const { body, publish: published, liveblog } = this
    this.body = this.refused = ''
    try {
      await this.posts.create({ liveblog, body, published })
    } catch (error) {
      this.refused = reason(error)
      this.body ||= body // unless something new has been typed meanwhile
    }
  },

  edit(post: PostRow) {
    this.editing = post.$key
    this.draft = this.original = post.body
    this.problems[post.$key] = ''
  },

  isEditing({ $key }: PostRow) {
    return this.editing === $key
  },

  stopEditing() {
    this.editing = ''
  },

  /** What is shown while typing is left alone; that somebody else has changed it is found when saving. */
  async save(post: PostRow) {
    const { draft, original } = this
    this.stopEditing()
    try {
      await this.posts.update(post, { body: draft }, { expect: { body: original } })
      this.problems[post.$key] = ''
    } catch (error) {
      this.edit(post) // the row, and with it the wish to save, is still there: so is what was typed
      this.draft = draft
      this.original = original
      this.problems[post.$key] = reason(error)
      if (error instanceof WriteError && error.code === 'conflict' && error.data) {
        this.original = String(error.data['body'])
        this.problems[post.$key] =
          `Somebody else has changed this post meanwhile. It now says “${this.original}”. Save again to replace that.`
      }
    }
  },

  setPublished(post: PostRow, published: boolean) {
    return this.attempt(post, () => this.posts.update(post, { published }))
  },

  ask(post: PostRow, dialog: HTMLDialogElement) {
    this.subject = post
    dialog.showModal()
  },

  async move() {
    const post = this.subject
    const target = this.$refs['target']
    if (!post || !(target instanceof HTMLSelectElement)) return
    await this.attempt(post, () => this.posts.update(post, { liveblog: Number(target.value) }))
  },

  async remove() {
    const post = this.subject
    if (post) await this.attempt(post, () => this.posts.delete(post))
  },

  async attempt(post: PostRow, write: () => Promise<unknown>) {
    this.problems[post.$key] = ''
    try {
      await write()
    } catch (error) {
      this.problems[post.$key] = reason(error)
    }
  },
}))

Alpine.start()
