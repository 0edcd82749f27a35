/** One live blog. Its HTML is liveblog.html, and backend/liveblog/bindings.py decides who sees and writes what. */

import Alpine from '@alpinejs/csp'
import { type CollectionOptions, connect } from 'channels-databinding'
import live, { type Live } from 'channels-databinding/alpine'
import { arrivals } from './liveblog/arrivals.ts'
import connectionStatus from './connection-status.ts'
import { editing } from './liveblog/editing.ts'
import frames, { OverheardSocket } from './frames.ts'
import people from './people.ts'
import type { Post, PostRow } from './liveblog/posts.ts'
import { carried } from './snapshot.ts'
import { reason } from './words.ts'

const today = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })
const before = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })

const newPosts = (count: number) => (count === 1 ? '1 new post' : `${count} new posts`)

const root = document.querySelector<HTMLElement>('[data-liveblog]')
const liveblog = Number(root?.dataset['liveblog'])
const socket = connect('/ws/liveblog/', { WebSocket: OverheardSocket })
socket.collection('liveblogs', { params: { liveblog }, initial: carried('liveblogs') })
const options: CollectionOptions<Post> = {
  params: { liveblog },
  order: ['-pinned', '-created'],
  initial: carried('posts'),
}

Alpine.plugin(live(socket))
Alpine.plugin(connectionStatus)
Alpine.plugin(frames)
Alpine.plugin(people('liveblogs', 'reading', { params: { liveblog } }))

Alpine.data('liveblog', () => ({
  posts: {} as Live<Post>,
  shown: [] as readonly PostRow[],
  arrivals: arrivals(),
  editing: editing(socket.collection('posts', options)),
  announced: '',

  // the form above
  body: '',
  publish: true,
  refused: '',

  // the post that a dialog asks about
  subject: null as PostRow | null,

  // what went wrong, by key
  problems: {} as Record<string, string>,

  init() {
    this.posts = this.$live<Post>('posts', options)
    this.follow()
    this.$watch('posts.rows', () => this.follow())
    this.$watch('editing.shown', () => this.show())
    window.addEventListener('scroll', () => this.isAway() || this.showWaiting(), { passive: true })
  },

  // ---- reading

  /** The rows have changed. */
  follow() {
    const { rows } = this.posts
    const arrived = new Set(this.arrivals.look(rows, this.isAway()))
    const [first, ...others] = rows.filter(row => arrived.has(row.$key))
    if (first) this.announced = others.length > 0 ? newPosts(arrived.size) : `New post: ${first.body}`
    this.show()
  },

  show() {
    const { waiting } = this.arrivals
    const shown = this.posts.rows.filter(row => !waiting.includes(row.$key))
    for (const row of this.editing.orphans(this.posts.rows)) {
      const place = this.shown.findIndex(({ $key }) => $key === row.$key)
      shown.splice(Math.max(place, 0), 0, row) // where it was
    }
    this.shown = shown
    this.$store.unsent.count = this.posts.rows.filter(row => row.$pending).length
  },

  /** Whether the reader is further down than the newest posts. */
  isAway() {
    return (this.$refs['list']?.getBoundingClientRect().top ?? 0) < 0
  },

  waitingText() {
    return newPosts(this.arrivals.waiting.length)
  },

  showWaiting() {
    if (this.arrivals.waiting.length === 0) return
    this.arrivals.show()
    this.show()
  },

  goToWaiting() {
    this.showWaiting()
    this.$refs['list']?.focus({ preventScroll: true })
    this.$refs['list']?.scrollIntoView()
  },

  isFresh({ $key }: PostRow) {
    return this.arrivals.fresh.includes($key)
  },

  time({ created }: PostRow) {
    if (!created) return 'now'
    const time = new Date(created)
    return (time.toDateString() === new Date().toDateString() ? today : before).format(time)
  },

  paragraphs({ body }: PostRow) {
    return body.trim().split(/\n{2,}/)
  },

  /** Why there is nothing to see, if that is so. */
  trouble() {
    return this.posts.error?.message ?? ''
  },

  isEmpty() {
    const { status, rows } = this.posts
    return rows.length === 0 && (status === 'live' || status === 'stale')
  },

  problem({ $key }: PostRow) {
    return this.problems[$key] ?? ''
  },

  // ---- writing

  async post() {
    const { body, publish: published } = this
    this.body = this.refused = ''
    try {
      await this.posts.create({ liveblog, body, published, pinned: false })
    } catch (error) {
      this.giveBack(body, reason(error))
    }
  },

  /** A text that was refused is in the form again, above what has been typed since. */
  giveBack(body: string, why: string) {
    this.refused = why
    this.body = this.body ? `${body}\n\n${this.body}` : body
  },

  save(post: PostRow, element: HTMLElement) {
    this.editing.save(post)
    this.focusEdit(element)
  },

  cancel(post: PostRow, element: HTMLElement) {
    this.editing.drop(post)
    this.focusEdit(element)
  },

  /** The form in which the focus was has gone; it goes to the button that had opened it. */
  focusEdit(element: HTMLElement) {
    const button = element.closest('li')?.querySelector<HTMLElement>('[data-edit]')
    this.$nextTick(() => button?.focus())
  },

  /** The post is gone, and what was typed into it becomes a new one. */
  async postAgain(post: PostRow) {
    const body = this.editing.text(post)
    this.editing.drop(post)
    try {
      await this.posts.create({ liveblog, body, published: post.published, pinned: false })
    } catch (error) {
      this.giveBack(body, reason(error))
    }
  },

  setPublished(post: PostRow, published: boolean) {
    return this.attempt(post, () => this.posts.update(post, { published }))
  },

  setPinned(post: PostRow, pinned: boolean) {
    return this.attempt(post, () => this.posts.update(post, { pinned }))
  },

  likeUrl({ $pk }: PostRow) {
    return `/liveblog/posts/${$pk}/like/`
  },

  /** An ordinary form. The number that it changes comes back like any other change. */
  async like(post: PostRow, form: HTMLFormElement) {
    this.problems[post.$key] = ''
    try {
      const { ok, type } = await fetch(form.action, {
        method: 'POST',
        body: new FormData(form),
        redirect: 'manual',
      })
      if (!ok && type !== 'opaqueredirect') throw new TypeError('refused')
    } catch {
      this.problems[post.$key] = 'This could not be sent. Try again.'
    }
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

// Alpine draws the posts anew, and whoever had the focus in one of them keeps it.
const focused = document.activeElement?.id
Alpine.start()
if (focused) document.getElementById(focused)?.focus()
