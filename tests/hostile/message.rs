//! What a message may look like, told by rules of its own: not by the product's.

use crate::values::brief;

/// Longer ones are no single clear sentence.
const LONGEST: usize = 900;

/// What came of a value in its place.
pub(crate) enum Outcome {
    /// The message it was refused with.
    Refused(String),
    /// It was taken, and the place holds exactly it.
    Data,
}

/// Characters that act on a terminal or on the eye.
fn acts(c: char) -> bool {
    c.is_control()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || c == '\u{feff}'
}

/// One line that can be printed anywhere.
pub(crate) fn assert_clear(place: &str, value: &str, message: &str) {
    let at = format!("{place} ← {}: {}", brief(value), brief(message));
    assert!(!message.trim().is_empty(), "{at}: says nothing");
    assert!(message.chars().count() <= LONGEST, "{at}: too long");
    assert!(!message.contains(acts), "{at}: raw");
    assert!(
        !value.contains(acts) || !message.contains(value),
        "{at}: raw"
    );
}

/// Counts, and checks the message.
pub(crate) fn judge(place: &str, value: &str, outcome: &Outcome, tally: &mut Tally) {
    match outcome {
        Outcome::Refused(message) => {
            assert_clear(place, value, message);
            tally.refused += 1;
        }
        Outcome::Data => tally.data += 1,
    }
}

/// How many values came to what.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) refused: usize,
    pub(crate) data: usize,
}
