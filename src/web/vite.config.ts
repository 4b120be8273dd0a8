import { defineConfig } from 'vite';

// In development the page comes from Vite and everything else from a running server.
const server = process.env.OFFHOOK_URL ?? 'http://127.0.0.1:7880';

export default defineConfig({
  server: {
    port: 7870,
    proxy: {
      '/v1': { target: server, ws: true },
      '/rtc': { target: server, ws: true },
    },
  },
  build: {
    target: 'es2022',
    // The media library is most of the bytes and changes seldom, so it is a file of its own that
    // browsers keep across our releases.
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        manualChunks: (id: string) => (id.includes('node_modules/livekit') ? 'media' : null),
      },
    },
  },
});
