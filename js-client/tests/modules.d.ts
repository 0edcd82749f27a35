declare module '*?raw' {
  const text: string
  export default text
}
declare module 'alpinejs'
declare module '@alpinejs/csp'
interface ImportMeta {
  glob(pattern: string, options: object): Record<string, string>
}
