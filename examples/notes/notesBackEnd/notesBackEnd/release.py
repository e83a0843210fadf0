# What the page's footer calls the backend's release. Change it, push, and watch it change.
RELEASE = "1"
