//! What a message may look like: one clear line for a terminal.

/// Longer ones are no single sentence.
const LONGEST: usize = 900;

pub fn must_be_clear(message: &str) {
    assert!(!message.trim().is_empty());
    assert!(
        message.chars().count() <= LONGEST,
        "{} characters",
        message.chars().count()
    );
    assert!(!message.contains(char::is_control), "{message:?}");
}
