/** Builds src/global.ts into the one file for a `<script>`. The modules for bundlers are made by tsc. */
import { defineConfig } from 'vite'
import about from './package.json' with { type: 'json' }

export default defineConfig({
  root: import.meta.dirname,
  logLevel: 'warn',
  build: {
    target: 'es2022',
    minify: true,
    emptyOutDir: false, // tsc has been there
    lib: {
      entry: 'src/global.ts',
      name: 'channelsDatabinding',
      formats: ['iife'],
      fileName: () => 'channels-databinding.js',
    },
    rolldownOptions: { output: { postBanner: `/*! ${about.name} ${about.version}, ${about.license} */` } },
  },
})
