/** Builds the pages' scripts and the stylesheet into dist/, which Django serves as /static/app/.
 *
 *  The pages themselves are Django templates: they name these files with {% static %}, so entries keep their names and
 *  Django's storage gives them a hash in production. What entries share is hashed here.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'

const pages: string[] = [
  // demos
  'index',
  'liveblog',
  'live-edit',
  // instead: // 'notes', for notes.ts and notes.css
  // end of demos
]
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// Alpine's CSP build reads every global once, and Chromium warns of those that are deprecated. It spares two itself.
const spareAnotherGlobal: Plugin = {
  name: 'spare-another-global',
  transform: (code, id) =>
    id.includes('@alpinejs/csp')
      ? code.replace('if (key === "styleMedia"', 'if (key === "fence" || key === "styleMedia"')
      : null,
}

export default defineConfig({
  plugins: [spareAnotherGlobal],
  base: './',
  resolve: {
    // The client's sources, not its build: an edit there shows here at once. tsconfig.json says the same.
    alias: [
      { find: /^channels-databinding$/, replacement: file('../js-client/src/index.ts') },
      { find: /^channels-databinding\/draft$/, replacement: file('../js-client/src/draft.ts') },
      { find: /^channels-databinding\/(\w+)$/, replacement: file('../js-client/src/adapters/$1.ts') },
    ],
  },
  build: {
    // While watching, pages that are open still load what they name.
    emptyOutDir: !process.argv.includes('--watch'),
    modulePreload: false,
    rolldownOptions: {
      input: ['app.css', ...pages.flatMap(page => [`${page}.ts`, `${page}.css`])].map(name => file(name)),
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/shared-[hash].js',
        assetFileNames: '[name][extname]',
      },
    },
  },
})
