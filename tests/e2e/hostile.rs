//! Repositories and tools that mean harm, or act as if they did.

mod forged;
mod sizes;
mod tools;
