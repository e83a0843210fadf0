//! Compression as browsers take it (RFC 1952, RFC 7932): whole files, as small as they get.
//!
//! takes: bytes · gives: fewer of them · touches: nothing

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Quick enough to be waited for.
    Gzip,
    /// Smaller by a sixth, slower by fifty times: about seven seconds for a megabyte, and ten times as much memory.
    Brotli,
}

impl Coding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Brotli];

    /// What nginx looks for behind a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Brotli => "br",
        }
    }

    /// The same bytes for the same input: no name and no time is in them.
    pub fn pack(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => gzip(plain),
            Self::Brotli => brotli(plain),
        }
    }
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let packed = Vec::with_capacity(plain.len() / 3);
    let mut encoder = GzEncoder::new(packed, Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(plain.len() / 3);
    let params = BrotliEncoderParams {
        size_hint: plain.len(),
        ..BrotliEncoderParams::default()
    };
    brotli::BrotliCompress(&mut &plain[..], &mut packed, &params)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_compressed_is_smaller_and_comes_back_whole() {
        let plain: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        let packed = gzip(&plain).unwrap();
        assert!(packed.len() < plain.len() / 2);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, plain);
        assert_eq!(gzip(&plain).unwrap(), packed);

        let smaller = brotli(&plain).unwrap();
        assert!(smaller.len() < packed.len());
        let mut back = Vec::new();
        brotli::Decompressor::new(smaller.as_slice(), 4096)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, plain);
        assert_eq!(brotli(&plain).unwrap(), smaller);
    }
}
