import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";
import { RELEASE } from "./src/release.js";

// The page names its release, so that it can be read from the HTML alone.
const releaseMeta = {
  name: "release-meta",
  transformIndexHtml: () => [{ tag: "meta", attrs: { name: "release", content: RELEASE }, injectTo: "head" }],
};

const backend = "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [vue(), releaseMeta],
  server: { proxy: { "/api": backend, "/media": backend } },
});
