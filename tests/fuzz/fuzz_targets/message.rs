//! What a message may look like: one clear line for a terminal.

/// Longer ones are no single sentence.
const LONGEST: usize = 900;

#[allow(dead_code, reason = "not of every target")]
pub fn must_be_clear(message: &str) {
    assert!(!message.trim().is_empty());
    must_be_a_line(message);
}

#[allow(dead_code, reason = "not of every target")]
pub fn must_be_a_line(line: &str) {
    assert!(
        line.chars().count() <= LONGEST,
        "{} characters",
        line.chars().count()
    );
    assert!(!line.contains(char::is_control), "{line:?}");
}
