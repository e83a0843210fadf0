//! What lies on the server and people edit: NAME.toml, the app's environment, the file of keys. Nothing panics, what is said fits on a
//! terminal, and what is written is read as the same.

#![no_main]

use landfall::base::hint::chain;
use landfall::config::env_file::EnvFile;
use landfall::config::server;
use landfall::keys::authorized::KeysFile;
use libfuzzer_sys::fuzz_target;

mod message;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = server::parse(text, "notes.toml") {
        message::must_be_clear(&chain(&error).join(": "));
    }
    match EnvFile::parse(text) {
        Ok(file) => {
            let again = EnvFile::parse(&file.serialise()).expect("what is written is read");
            assert_eq!(again.serialise(), file.serialise());
        }
        Err(error) => message::must_be_clear(&chain(&error).join(": ")),
    }
    let keys = KeysFile::parse(text).render();
    assert_eq!(KeysFile::parse(&keys).render(), keys);
});
