import { api } from "./variables/localVariables.js";

async function ask(path, options) {
  let response;
  try {
    response = await fetch(api + path, options);
  } catch {
    throw new Error("The backend can't be reached.");
  }
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Error(explain(text) || `The backend answered ${response.status}.`);
}

// Django REST framework answers {"field": ["what is wrong", …]} to what it doesn't take.
function explain(text) {
  try {
    return Object.values(JSON.parse(text)).flat().join(" ");
  } catch {
    return "";
  }
}

export const listNotes = () => ask("/api/notes/");
export const getNote = (id) => ask(`/api/notes/${id}/`);
export const countWords = (id) => ask(`/api/notes/${id}/count/`, { method: "POST" });
export const about = () => ask("/api/about/");
export const mediaUrl = (path) => api + path;

export function addNote(text, file) {
  const body = new FormData();
  body.append("text", text);
  if (file) body.append("attachment", file);
  return ask("/api/notes/", { method: "POST", body });
}
