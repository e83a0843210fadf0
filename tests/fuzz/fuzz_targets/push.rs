//! What a push brings besides its objects: the hook's standard input, landfall.toml, and the records that a killed run may have left
//! half. Nothing panics, and what is said fits on a terminal.

#![no_main]

use landfall::base::hint::{Hint, chain};
use landfall::config::settle::settle;
use landfall::config::tree::MemoryTree;
use landfall::handover::Pending;
use landfall::release::record::Record;
use landfall::stage::push;
use libfuzzer_sys::fuzz_target;

mod message;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = push::parse(text) {
        message::must_be_clear(&chain(&error).join(": "));
        error
            .hints()
            .iter()
            .for_each(|hint| message::must_be_clear(hint));
    }
    let tree = MemoryTree::new(&[
        (
            "api/manage.py",
            "setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')",
        ),
        (
            "api/app/settings.py",
            "WSGI_APPLICATION = 'app.wsgi.application'",
        ),
        ("api/app/wsgi.py", "application = 1"),
        ("requirements.txt", "Django\n"),
        (
            "web/package.json",
            r#"{"scripts": {"build": "vite build"}}"#,
        ),
        ("web/package-lock.json", "{}"),
    ]);
    if let Err(error) = settle(&tree.with("landfall.toml", data)) {
        message::must_be_clear(&error.to_string());
    }
    if let Ok(record) = serde_json::from_str::<Record>(text) {
        let again = serde_json::to_string(&record).expect("what was read is written");
        serde_json::from_str::<Record>(&again).expect("and read again");
    }
    let _ = serde_json::from_str::<Pending>(text);
});
