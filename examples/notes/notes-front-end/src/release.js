// What the page's footer calls the frontend's release. Change it, push, and watch it change.
export const RELEASE = "1";
