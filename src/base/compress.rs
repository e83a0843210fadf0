//! Compression as browsers take it (RFC 1952): whole files, as small as they get.
//!
//! takes: bytes · gives: fewer of them · touches: nothing

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The same bytes for the same input: no name and no time is in them.
pub fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let packed = Vec::with_capacity(plain.len() / 3);
    let mut encoder = GzEncoder::new(packed, Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
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
    }
}
