//! PEM as people paste it: byte order marks, line ends, indentation, blocks glued together. What can be put right without a guess is.
//!
//! takes: bytes · gives: blocks, and what was put right · touches: nothing
//!
//! The usual parsers drop a block they do not like and say nothing, or show its whole text; here neither happens.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::tls::finding::Code;

/// One block, decoded.
pub struct Block {
    label: String,
    der: Zeroizing<Vec<u8>>,
    has_header: bool,
    line: usize,
}

impl Block {
    /// What stands behind BEGIN; not to be shown, as anything can stand there.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its content.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// It has lines such as `Proc-Type: 4,ENCRYPTED`.
    pub fn has_header(&self) -> bool {
        self.has_header
    }

    /// The line of its BEGIN.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// Text that is no row of whole blocks; with the line, from 1. None holds a part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A marker with other dashes than five hyphens on each side.
    Dashes(usize),
    /// A character that base64 does not have.
    Base64(usize),
    /// A tag or an entity of a web page.
    Html(usize),
    /// An END is missing, or a part of the lines before it.
    Truncated(usize),
    /// An END without its BEGIN.
    NoBegin(usize),
}

/// What was read.
pub struct Scanned {
    /// In the order they came.
    pub blocks: Vec<Block>,
    /// What was put right, each once.
    pub fixed: Vec<Code>,
}

/// The bytes as text; none for DER and the like. UTF-16 is what Windows' editors may write.
pub fn decode(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let utf16 = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Zeroizing::new(format!("\u{feff}{text}"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Some(utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    let has_marker = bytes.windows(6).any(|window| window == b"BEGIN ");
    match std::str::from_utf8(bytes) {
        Ok(text) if has_marker || !text.contains('\0') => Some(Zeroizing::new(text.to_owned())),
        Err(_) if has_marker => Some(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())),
        _ => None,
    }
}

/// The length that a DER sequence says it has, with its head.
pub fn der_length(der: &[u8]) -> Option<usize> {
    let [0x30, first, rest @ ..] = der else {
        return None;
    };
    if *first < 0x80 {
        return Some(usize::from(*first) + 2);
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let bytes = rest.get(..count)?;
    let length = bytes
        .iter()
        .fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    Some(length + 2 + count)
}

/// The blocks as they are, for keys: a fault where anything had to be put right but what editors do to line ends.
pub fn blocks(text: &str) -> Result<Vec<Block>, Fault> {
    let scanned = scan(text)?;
    if scanned.fixed.contains(&Code::FixedGlued) {
        return Err(Fault::Truncated(1));
    }
    Ok(scanned.blocks)
}

/// Reads all blocks.
pub fn scan(text: &str) -> Result<Scanned, Fault> {
    let mut scanner = Scanner::default();
    let mut text = Zeroizing::new(text.to_owned());
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = Zeroizing::new(rest.to_owned());
        scanner.fix(Code::FixedBom);
    }
    if text.contains('\r') {
        text = Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
        scanner.fix(Code::FixedCrlf);
    }
    // Out of a JSON document or an environment file.
    if text.contains("-----\\n") {
        text = Zeroizing::new(text.replace("\\n", "\n"));
        scanner.fix(Code::FixedGlued);
    }
    for (number, line) in text.split('\n').enumerate() {
        scanner.line(number + 1, line)?;
    }
    scanner.end()
}

#[derive(Default)]
struct Scanner {
    blocks: Vec<Block>,
    fixed: Vec<Code>,
    open: Option<Open>,
}

struct Open {
    label: String,
    body: Zeroizing<String>,
    has_header: bool,
    line: usize,
}

impl Scanner {
    fn fix(&mut self, code: Code) {
        if !self.fixed.contains(&code) {
            self.fixed.push(code);
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), Fault> {
        let mut rest = line;
        while let Some(marker) = Marker::find(rest) {
            if !marker.is_exact {
                return Err(Fault::Dashes(number));
            }
            let (before, after) = (&rest[..marker.start], &rest[marker.end..]);
            if !before.trim().is_empty() || !after.trim().is_empty() {
                self.fix(Code::FixedGlued);
            } else if !before.is_empty() || !after.is_empty() {
                self.fix(Code::FixedIndent);
            }
            self.piece(number, before)?;
            self.marker(number, &marker)?;
            rest = after;
        }
        self.piece(number, rest)
    }

    /// Text between markers.
    fn piece(&mut self, number: usize, piece: &str) -> Result<(), Fault> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let trimmed = piece.trim();
        if trimmed.contains(':') {
            open.has_header = true;
            return Ok(());
        }
        if trimmed.contains(['<', '>', '&']) {
            return Err(Fault::Html(number));
        }
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        if !trimmed.chars().all(|c| is_base64(c) || c.is_whitespace()) {
            return Err(Fault::Base64(number));
        }
        open.body.reserve(trimmed.len());
        for part in trimmed.split_whitespace() {
            open.body.push_str(part);
        }
        if trimmed.contains(char::is_whitespace) {
            self.fix(Code::FixedGlued);
        } else if !trimmed.is_empty() && trimmed.len() != piece.len() {
            self.fix(Code::FixedIndent);
        }
        Ok(())
    }

    fn marker(&mut self, number: usize, marker: &Marker<'_>) -> Result<(), Fault> {
        match (marker.is_begin, self.open.take()) {
            (true, Some(open)) => Err(Fault::Truncated(open.line)),
            (true, None) => {
                self.open = Some(Open {
                    label: marker.label.to_owned(),
                    body: Zeroizing::new(String::new()),
                    has_header: false,
                    line: number,
                });
                Ok(())
            }
            (false, None) => Err(Fault::NoBegin(number)),
            (false, Some(open)) if open.label != marker.label => Err(Fault::Truncated(open.line)),
            (false, Some(open)) => {
                self.blocks.push(open.close(number)?);
                Ok(())
            }
        }
    }

    fn end(self) -> Result<Scanned, Fault> {
        match self.open {
            Some(open) => Err(Fault::Truncated(open.line)),
            None => Ok(Scanned {
                blocks: self.blocks,
                fixed: self.fixed,
            }),
        }
    }
}

impl Open {
    fn close(self, end: usize) -> Result<Block, Fault> {
        if self.body.is_empty() || !self.body.len().is_multiple_of(4) {
            return Err(Fault::Truncated(self.line));
        }
        let der = BASE64
            .decode(self.body.as_bytes())
            .map_err(|_| Fault::Base64(end))?;
        Ok(Block {
            label: self.label,
            der: Zeroizing::new(der),
            has_header: self.has_header,
            line: self.line,
        })
    }
}

/// `-----BEGIN LABEL-----`, or what was meant to be one.
struct Marker<'a> {
    start: usize,
    end: usize,
    is_begin: bool,
    label: &'a str,
    is_exact: bool,
}

/// Hyphens, and what word processors make of them.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

const DASHES: &str = "-----";

impl<'a> Marker<'a> {
    fn find(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let (at, word) = ["BEGIN ", "END "]
                .iter()
                .filter_map(|word| Some((from + text[from..].find(word)?, *word)))
                .min()?;
            if let Some(marker) = Self::at(text, from, at, word) {
                return Some(marker);
            }
            from = at + word.len();
        }
    }

    fn at(text: &'a str, from: usize, at: usize, word: &str) -> Option<Self> {
        let before = &text[from..at];
        let start = from + before.trim_end_matches(is_dash).len();
        let rest = &text[at + word.len()..];
        let is_label = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
        let label_end = rest.find(|c| !is_label(c)).unwrap_or(rest.len());
        let label = rest[..label_end].trim_end();
        if start == at || label.len() < 3 || label.len() > 40 {
            return None;
        }
        let behind = &rest[label_end..];
        let run = &behind[..behind.len() - behind.trim_start_matches(is_dash).len()];
        let next = &behind[run.len()..];
        // Two markers in a row share a line of ten.
        let is_shared =
            run == "----------" && (next.starts_with("BEGIN ") || next.starts_with("END "));
        let own = if is_shared { DASHES } else { run };
        Some(Self {
            start,
            end: at + word.len() + label_end + own.len(),
            is_begin: word == "BEGIN ",
            label,
            is_exact: &text[start..at] == DASHES && own == DASHES && label.len() == label_end,
        })
    }
}
