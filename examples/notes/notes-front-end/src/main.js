import { createApp } from "vue";
import App from "./App.vue";
import { colour, title } from "./variables/localVariables.js";
import "./style.css";

document.title = title;
document.documentElement.style.setProperty("--accent", colour);
createApp(App).mount("#app");
