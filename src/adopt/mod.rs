//! A repository with a hand-written hook, on its way to being an app: what its hook says (`hook_text`), reading what is
//! somebody else's (`old`), and what there is to bring (`survey`).

pub mod hook_text;
pub mod old;
pub mod survey;
